// A data plane that fetches nothing: a test says how each session stands and how each execution ends.
// Releases it makes are real directories with real manifests, as the native side would leave them.
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { EngineError } from '../../src/base/errors.js'
import type { Pace } from '../../src/model/pace.js'
import type { NodePlan } from '../../src/model/plan.js'
import { scan } from '../../src/native/content.js'
import type { ReceiverSessionOptions, SessionStatus } from '../../src/native/relay.js'
import type { ApplyResult } from '../../src/native/sites.js'
import type { DataPlane, Execution } from '../../src/node/staging.js'

type ApplyOptions = Parameters<DataPlane['apply']>[0]

const stagingOf = (directory: string): string => join(dirname(directory), `.staging-${basename(directory)}`)

const pathOf = (directory: string): string => `${directory}.content`

/** Writes one file into a new directory and its manifest; gives the tree's hash. */
export async function makeRelease(directory: string, treePath: string, content: string): Promise<string> {
  await mkdir(directory, { recursive: true })
  await mkdir(dirname(treePath), { recursive: true })
  await writeFile(join(directory, 'index.html'), content)
  return scan({ directory, outTreePath: treePath, shadowTreePath: null }, () => true).treeHash
}

export class FakeExecution implements Execution {
  readonly options: ApplyOptions
  cancelled = 0
  #settle: { resolve: (result: ApplyResult) => void; reject: (error: unknown) => void } | null = null
  readonly #result: Promise<ApplyResult>

  constructor(options: ApplyOptions) {
    this.options = options
    this.#result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    this.#result.catch(() => {})
  }

  result(): Promise<ApplyResult> {
    return this.#result
  }

  cancel(): void {
    this.cancelled += 1
    this.#settle?.reject(new EngineError('ENGINE_ERR_CANCELLED', { what: 'the execution' }))
  }

  /** Puts the prepared release in place, as the native side does: manifest first, then the name. */
  async finish(treeHash: string): Promise<void> {
    const { targetDirectory, treePath } = this.options
    await rename(`${pathOf(targetDirectory)}.tree`, treePath)
    // What stands there goes where the native side would have built: it swaps the two in one step.
    await rename(targetDirectory, stagingOf(targetDirectory)).catch(() => {})
    await rename(pathOf(targetDirectory), targetDirectory)
    this.#settle?.resolve({ treeHash, filesWritten: 1, filesShared: 0, bytesWritten: 1 })
  }

  fail(error: unknown): void {
    this.#settle?.reject(error)
  }
}

export class FakePlane implements DataPlane {
  readonly receivers: ReceiverSessionOptions[] = []
  readonly executions: FakeExecution[] = []
  readonly plans: { readonly session: number; readonly plan: NodePlan }[] = []
  readonly paces: { readonly session: number; readonly pace: Pace }[] = []
  readonly closed: number[] = []
  readonly statuses = new Map<number, SessionStatus>()
  /** Thrown by openReceiver, once set. */
  refusal: EngineError | null = null

  async openReceiver(options: ReceiverSessionOptions): Promise<number> {
    if (this.refusal !== null) throw this.refusal
    this.receivers.push(options)
    const session = this.receivers.length
    await writeFile(options.path, 'part')
    await writeFile(options.vouchPath, 'part')
    this.statuses.set(session, {
      session,
      assignmentId: options.assignmentId,
      restoring: false,
      bytesHave: 0,
      chunksHave: 0,
      chunkCount: null,
      complete: false,
      bytesReceived: 0,
      bytesSent: 0,
      duplicateChunks: 0,
      corruptChunks: 0,
      faultyLinks: 0,
      lastFault: null,
      parents: [],
      children: [],
      failure: null,
    })
    return session
  }

  setPlan(session: number, plan: NodePlan): void {
    this.plans.push({ session, plan })
  }

  setPace(session: number, pace: Pace): void {
    this.paces.push({ session, pace })
  }

  closeSession(session: number): void {
    this.closed.push(session)
    this.statuses.delete(session)
  }

  poll(): readonly SessionStatus[] {
    return [...this.statuses.values()]
  }

  apply(options: ApplyOptions): FakeExecution {
    const execution = new FakeExecution(options)
    this.executions.push(execution)
    return execution
  }

  /** Changes how a session stands. */
  stand(session: number, change: Partial<SessionStatus>): void {
    const status = this.statuses.get(session)
    if (status !== undefined) this.statuses.set(session, { ...status, ...change })
  }
}

/** Where a test writes what an execution will put in place; gives the hash of its tree. */
export async function prepareRelease(targetDirectory: string, content: string): Promise<string> {
  const directory = pathOf(targetDirectory)
  return makeRelease(directory, `${directory}.tree`, content)
}
