#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { runProgram } from './program.js'

// Beside dist/ in the package, two folders up in dist/src/cli; three in the sources.
const version = (): string => {
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version
    } catch {
      // Not there: the next place.
    }
  }
  return '0.0.0'
}

// A terminal that went away, or a reader that has enough, must not end what is under way: an abort is still asked for.
const left: ReadonlySet<string> = new Set(['EPIPE', 'EIO', 'ECONNRESET'])
let isLost = false
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (left.has(code ?? '')) return
    // Output that could not be written, as on a full disk, is no success.
    isLost = true
    process.exitCode = 1
  })
}

const exitCode = await runProgram(process.argv.slice(2), version())
process.exitCode = isLost ? 1 : exitCode
