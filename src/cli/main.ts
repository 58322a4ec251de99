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
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

process.exitCode = await runProgram(process.argv.slice(2), version())
