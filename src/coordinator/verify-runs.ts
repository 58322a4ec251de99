import { EngineError, toEngineError } from '../base/errors.js'
import { VERIFY_RUNS_KEPT } from '../base/verify-limits.js'
import { isWell, type NodeVerification, type VerifyRun, type VerifyRunRequest } from '../model/verification.js'
import { nodesOf } from './audience.js'
import { checkNode } from './checking.js'
import type { KnownNode } from './roster.js'
import { inBackground, type World } from './world.js'

/** Readings of sites that were asked for in this life, the newest. */
export class VerifyRuns {
  readonly #world: World
  readonly #newId: () => string
  readonly #runs = new Map<string, VerifyRun>()

  constructor(world: World, newId: () => string) {
    this.#world = world
    this.#newId = newId
  }

  /**
   * Asks the nodes of a site, all at once; each answers in its own time.
   * @throws {EngineError} ENGINE_ERR_SITE_UNKNOWN, ENGINE_ERR_GROUP_EMPTY, ENGINE_ERR_INVALID_ARGUMENT.
   */
  begin(request: VerifyRunRequest): VerifyRun {
    const world = this.#world
    const { site, repair } = request
    const group = groupOf(world, request)
    const nodes = nodesAsked(world, { site: request.site, group }, request.nodes)
    const parts = nodes.map(({ identity }): NodeVerification => {
      return { nodeId: identity.id, name: identity.name, state: 'reading', found: null, error: null }
    })
    const startedAtMs = world.clock.nowMs()
    const run = { id: this.#newId(), site, group, repair, startedAtMs, finishedAtMs: null, nodes: parts }
    this.#runs.set(run.id, run)
    this.#forgetOld()
    for (const known of nodes) {
      inBackground(world, 'verifying', async () => this.#answered(run.id, await askNode(world, known, request)))
    }
    return run
  }

  /** @throws {EngineError} ENGINE_ERR_VERIFICATION_UNKNOWN. */
  get(id: string): VerifyRun {
    const run = this.#runs.get(id)
    if (run === undefined) throw new EngineError('ENGINE_ERR_VERIFICATION_UNKNOWN', { id })
    return run
  }

  #answered(id: string, answer: NodeVerification): void {
    const run = this.#runs.get(id)
    if (run === undefined) return
    const nodes = run.nodes.map((each) => (each.nodeId === answer.nodeId ? answer : each))
    const isOver = nodes.every(({ state }) => state !== 'reading')
    this.#runs.set(id, { ...run, nodes, finishedAtMs: isOver ? this.#world.clock.nowMs() : null })
  }

  /** One that is still at work is forgotten last. */
  #forgetOld(): void {
    const over = [...this.#runs.values()].filter(({ finishedAtMs }) => finishedAtMs !== null).toReversed()
    for (const { id } of over.slice(VERIFY_RUNS_KEPT)) this.#runs.delete(id)
  }
}

function groupOf(world: World, { site, group: asked }: VerifyRunRequest): string {
  const group = world.sites.get(site)?.record.group
  if (group === undefined) throw new EngineError('ENGINE_ERR_SITE_UNKNOWN', { site })
  if (asked === null || asked === group) return group
  const why = `site ${site} belongs to group ${group}`
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the group', why })
}

function nodesAsked(
  world: World,
  { site, group }: { readonly site: string; readonly group: string },
  names: readonly string[] | null,
): readonly KnownNode[] {
  const all = nodesOf(world, { group, only: world.sites.get(site)?.record.only ?? null })
  if (all.length === 0) throw new EngineError('ENGINE_ERR_GROUP_EMPTY', { group })
  if (names === null) return all
  const stranger = names.find((name) => !all.some(({ identity }) => identity.name === name))
  if (stranger === undefined) return all.filter(({ identity }) => names.includes(identity.name))
  const why = `group ${group} has no node ${stranger}`
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the node', why })
}

async function askNode(world: World, known: KnownNode, request: VerifyRunRequest): Promise<NodeVerification> {
  const { id: nodeId, name } = known.identity
  const { site, release, rateBps, repair } = request
  try {
    const found = await checkNode(world, known, { site, release, rateBps, repair })
    const state = !isWell(found) ? 'damaged' : found.mended === 'none' ? 'clean' : 'mended'
    return { nodeId, name, state, found, error: null }
  } catch (error) {
    return { nodeId, name, state: 'failed', found: null, error: toEngineError(error).toReport() }
  }
}
