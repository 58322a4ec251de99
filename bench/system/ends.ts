// Ends of a transfer without a coordinator: processes of native/crates/relay/examples/spread_file.rs, each of which
// feeds, relays or drops one file.
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'

const native = fileURLToPath(new URL('../../native/', import.meta.url))
const program = `${native}target/release/examples/spread_file`

/** To be called before the first end is started. */
export const buildEnds = (): void => {
  const what = ['build', '--release', '--quiet', '--package', 'relay', '--example', 'spread_file']
  execFileSync('cargo', what, { cwd: native, stdio: 'inherit' })
}

/** What an end says of itself. */
export interface Line {
  readonly event: string
  readonly address: string
  readonly cpuSeconds: number
  /** CPU seconds of the whole process, preparations too. */
  readonly cpuTotal: number
  readonly seconds: number
  readonly bytesHave: number
  readonly duplicateChunks: number
}

/** A process that prints lines of JSON, each naming its event. */
export class End {
  readonly process: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  constructor(...args: readonly string[]) {
    this.process = spawn(program, args)
    this.process.stderr.pipe(process.stderr)
    this.#lines = createInterface(this.process.stdout)[Symbol.asyncIterator]()
  }

  async line(event: string): Promise<Line> {
    const { value, done } = await this.#lines.next()
    const line: Line | undefined = done === true ? undefined : JSON.parse(value)
    if (line?.event !== event) throw new Error(`${event} did not come but ${String(value)}`)
    return line
  }

  /** Lets the process end and tells its last line. */
  async end(): Promise<Line> {
    this.process.stdin.end()
    return await this.line('end')
  }
}

/** The id of the nth of them. */
export const nodeId = (n: number): string => n.toString(16).padStart(32, '0')

/** Random bytes. */
export const fillFile = async (path: string, sizeBytes: number): Promise<void> => {
  const step = 2 ** 20
  const blocks = function* (): Generator<Buffer> {
    for (let written = 0; written < sizeBytes; written += step) yield randomBytes(Math.min(step, sizeBytes - written))
  }
  await pipeline(Readable.from(blocks()), createWriteStream(path))
}
