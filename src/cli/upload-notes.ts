import { formatBytes, formatCount } from '../base/quantities.js'
import { SECOND_MS } from '../base/units.js'
import type { UploadEvent } from '../model/upload.js'
import type { Context } from './context.js'

/** Time between two lines about one upload. */
const NOTE_INTERVAL_MS = 10 * SECOND_MS

const isDone = (event: UploadEvent): boolean =>
  event.type === 'sending' && event.bytesSent === event.bytesToSend && event.contentsSent === event.contentsToSend

const lineOf = (event: UploadEvent): string => {
  if (event.type === 'reading') return `read ${formatCount(event.files, 'file')}  ${formatBytes(event.bytes)}`
  const { contentsSent, contentsToSend, bytesSent, bytesToSend } = event
  const contents = formatCount(contentsSent, 'content', contentsToSend)
  return `sent ${formatBytes(bytesSent)} of ${formatBytes(bytesToSend)}  ${contents}`
}

/** Says how far an upload is: now and then, and when it has ended. */
export class UploadNotes {
  readonly #context: Pick<Context, 'output' | 'clock'>
  #saidAtMs: number
  #isOver = false

  constructor(context: Pick<Context, 'output' | 'clock'>) {
    this.#context = context
    this.#saidAtMs = context.clock.monotonicMs()
  }

  hear(event: UploadEvent): void {
    const { output, clock } = this.#context
    const nowMs = clock.monotonicMs()
    const isEnd = isDone(event)
    if (this.#isOver || (!isEnd && nowMs - this.#saidAtMs < NOTE_INTERVAL_MS)) return
    this.#saidAtMs = nowMs
    this.#isOver = isEnd
    const { type: phase, ...counts } = event
    if (output.json) output.data({ type: 'upload', phase, ...counts })
    else output.note(lineOf(event))
  }
}
