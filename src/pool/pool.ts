// In: tasks of milliseconds and more, an AbortSignal, a listener for news. Out: their results, on the main thread.
// Never: a decision; a task that ends before all its news were heard; frames or chunks.
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { type TaskName, taskNames, type TaskOutcome, type TaskRequest, type Tasks } from '../../workers/tasks.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { POOL_IDLE_MS, POOL_THREADS_MAX, WORK_NICENESS } from '../base/limits.js'
import type { PackBatch, PackOptions, PackResult, ScanOptions, ScanProgress, ScanResult } from '../native/content.js'

/** How one task is followed. A listener that throws stops the task, which then fails with what it threw. */
export interface TaskRun<Update> {
  readonly signal?: AbortSignal
  readonly onUpdate?: (update: Update) => void
}

/** Flags that describe the program which node was started with; a thread has a program of its own. */
const isOfProgram = (flag: string): boolean => /^--input-type\b/.test(flag)

/**
 * Tasks run compiled, also where this file is loaded as TypeScript, as in tests: a thread that compiles its program
 * first takes 1.2 s of CPU to start, and 0.05 s otherwise.
 */
const isSource = import.meta.url.endsWith('.ts')
const ownTasks = new URL(isSource ? '../../dist/workers/' : '../../workers/', import.meta.url)

/** Tasks in this process's worker threads: the main thread stays free while they run. */
export class WorkerPool {
  readonly #piscina: Piscina
  readonly #workers: URL
  readonly #running = new Set<() => void>()
  readonly #loaded: Promise<void>
  #closing: Promise<void> | null = null

  /**
   * @param keptThreads  threads that start at once and stay: a task then need not wait for one to start, which takes
   * 0.05 s, and twice that where the processors are busy.
   * @param workers  folder of the tasks, compiled; tests put in their own.
   */
  constructor({ keptThreads = 0, workers = ownTasks }: { readonly keptThreads?: number; readonly workers?: URL } = {}) {
    this.#workers = workers
    const sizes = { minThreads: keptThreads, maxThreads: POOL_THREADS_MAX, idleTimeout: POOL_IDLE_MS }
    this.#piscina = new Piscina({
      ...sizes,
      niceIncrement: WORK_NICENESS,
      execArgv: isSource ? [] : process.execArgv.filter((flag) => !isOfProgram(flag)),
    })
    // A thread that dies outside of a task: the next task gets a new one, and this process goes on.
    this.#piscina.on('error', () => {})
    this.#loaded = keptThreads > 0 ? this.#load() : Promise.resolve()
  }

  /**
   * Scans a directory; see `scan` of src/native/content.
   * @throws {EngineError} ENGINE_ERR_CANCELLED once the task has really stopped, and the scan's own.
   */
  scan(options: ScanOptions, run: TaskRun<ScanProgress> = {}): Promise<ScanResult> {
    return this.#run('scan', options, run)
  }

  /**
   * Packs an assignment; see `pack` of src/native/content. All batches are heard before the promise settles.
   * @throws {EngineError} ENGINE_ERR_CANCELLED once the task has really stopped, and the packing's own.
   */
  pack(options: PackOptions, run: TaskRun<PackBatch> = {}): Promise<PackResult> {
    return this.#run('pack', options, run)
  }

  /** Stops what runs and ends the threads. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const stop of this.#running) stop()
    // Node.js ends the whole process where a thread is terminated while it loads a module.
    await this.#loaded
    await this.#piscina.close()
  }

  /** Has a thread that is kept read its programs before the first task comes: one after the other, by one thread. */
  async #load(): Promise<void> {
    for (const name of taskNames) {
      if (this.#closing) return
      // What cannot be read fails the task that needs it.
      await this.#piscina.run(null, { filename: this.#programOf(name), name: 'load' }).catch(() => {})
    }
  }

  #programOf(name: TaskName): string {
    return new URL(`${name}.js`, this.#workers).href
  }

  async #run<Name extends TaskName>(
    name: Name,
    input: Tasks[Name]['input'],
    { signal, onUpdate }: TaskRun<Tasks[Name]['update']>,
  ): Promise<Tasks[Name]['output']> {
    if (this.#closing) throw new EngineError('ENGINE_ERR_NATIVE_CLOSED', { what: 'the worker pool' })
    const stop = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
    const stopTask = (): void => void Atomics.store(new Int32Array(stop), 0, 1)
    if (signal?.aborted) stopTask()
    signal?.addEventListener('abort', stopTask)
    this.#running.add(stopTask)
    const { port1, port2 } = new MessageChannel()
    try {
      const heard = listen(port1, onUpdate, stopTask)
      const request: TaskRequest<Name> = { input, updates: port2, stop }
      const task = { filename: this.#programOf(name), transferList: [port2] }
      const outcome = (await this.#piscina.run(request, task)) as TaskOutcome<Tasks[Name]['output']>
      const thrown = await heard
      if (thrown) throw thrown.error
      if (outcome.ok) return outcome.value
      throw new EngineError(outcome.code, outcome.details, { message: outcome.message })
    } catch (error) {
      throw toEngineError(error, { what: `the ${name}` })
    } finally {
      port1.close()
      this.#running.delete(stopTask)
      signal?.removeEventListener('abort', stopTask)
    }
  }
}

/** Hears a task's updates until the last; gives what the listener threw, if it did. */
function listen<Update>(
  port: MessagePort,
  onUpdate: ((update: Update) => void) | undefined,
  stopTask: () => void,
): Promise<{ readonly error: unknown } | null> {
  return new Promise((resolve) => {
    let thrown: { readonly error: unknown } | null = null
    port.on('message', (update: Update | null) => {
      if (update === null) return resolve(thrown)
      if (thrown) return
      try {
        onUpdate?.(update)
      } catch (error) {
        thrown = { error }
        stopTask()
      }
    })
    // A thread that died says nothing more.
    port.on('close', () => resolve(thrown))
  })
}
