import { assert } from '../../base/assert.js'
import type { PlanNode } from '../../model/plan.js'
import { Middle } from '../middle.js'
import { compareApproach } from '../order.js'
import { fanoutOf } from '../uplinks.js'
import { isSlow } from './slots.js'

/** What makes a strategy that decides while content is on its way. */
export interface CourseRule {
  /** Who may serve others: one that receives, or only one that has everything. */
  readonly servesWhen: 'ready' | 'finished'
  /** Whoever is approached is handed a part of the list, to approach on its own. */
  readonly deals: boolean
}

/** What is to be done, in this order. */
export interface CourseStep {
  /** `approach` comes once for each server that takes part; `adopt`: who served it is gone. */
  readonly type: 'approach' | 'adopt'
  readonly server: string
  readonly target: string
  /** Whom the target is to approach. */
  readonly list: readonly string[]
}

/** A server that takes part. */
interface Entry {
  node: PlanNode
  state: 'waiting' | 'approached' | 'ready' | 'finished'
  /** Who serves it, or did; null while it waits. */
  by: string | null
  /** Who has it on its list; null once it is approached. */
  holder: string | null
  /** Not yet approached, best first. */
  list: readonly string[]
  /** Whom it serves, or did. */
  readonly served: Set<string>
  /** Of those, they have not everything. */
  busy: number
}

/**
 * Hands servers out, one after the other: who has a list approaches the first of it, as many at once as its uplink
 * bears, and each is approached once, whoever dies meanwhile. A list that comes to nothing goes back to whoever
 * handed it out; who has a place to spare and no list takes a part of another's. Knows nothing but what it is told.
 */
export class Course {
  readonly #rule: CourseRule
  readonly #source: string
  /** Given by the administrator; null: by what uplinks can give. */
  readonly #fanout: number | null
  readonly #entries = new Map<string, Entry>()
  /** May serve, with a list and with none; of the latter only those that have a place to spare. */
  readonly #holders = new Set<string>()
  readonly #idle = new Set<string>()
  #steps: CourseStep[] = []
  readonly #touched = new Set<string>()
  /** Of all members' weights. */
  readonly #middle: Middle
  /** What weights count beside. */
  #usual: number

  /** @param nodes each once. The first steps are due at once: see `begin`. */
  constructor(rule: CourseRule, source: PlanNode, nodes: readonly PlanNode[], fanout: number | null) {
    this.#rule = rule
    this.#source = source.nodeId
    this.#fanout = fanout
    this.#middle = new Middle(nodes.map(({ weight }) => weight))
    this.#usual = this.#middle.value
    const list = [...nodes].sort((a, b) => compareApproach(a, b, this.#usual)).map(({ nodeId }) => nodeId)
    this.#entries.set(source.nodeId, { ...blank(source), state: 'finished', list })
    for (const node of nodes) this.#entries.set(node.nodeId, { ...blank(node), holder: source.nodeId })
    this.#note(source.nodeId)
  }

  /** Those that the source approaches first. */
  begin(): readonly CourseStep[] {
    return this.#settle(this.#source)
  }

  /** Those who have another server than when this was asked last, or are on another's list; some have left since. */
  takeTouched(): readonly string[] {
    const touched = [...this.#touched]
    this.#touched.clear()
    return touched
  }

  /** Whom it serves, or did, and whom it has on its list. */
  below(server: string): readonly string[] {
    const entry = this.#entries.get(server)
    return entry === undefined ? [] : [...entry.served, ...entry.list]
  }

  get members(): readonly PlanNode[] {
    return [...this.#entries.values()].map(({ node }) => node).filter(({ nodeId }) => nodeId !== this.#source)
  }

  node(server: string): PlanNode | undefined {
    return this.#entries.get(server)?.node
  }

  /** Who serves it; null: nobody yet, or it does not take part. */
  serverOf(server: string): string | null {
    return this.#entries.get(server)?.by ?? null
  }

  /** Who has it on its list; null: it has been approached, or does not take part. */
  holderOf(server: string): string | null {
    return this.#entries.get(server)?.holder ?? null
  }

  /** It takes part from now on; who does already is known by what it is now. */
  joined(node: PlanNode): readonly CourseStep[] {
    const known = this.#entries.get(node.nodeId)
    if (known !== undefined) {
      const before = known.node
      const isMoved = before.weight !== node.weight || before.rank !== node.rank
      known.node = node
      if (!isMoved && before.bears === node.bears) return []
      this.#middle.remove(before.weight)
      this.#middle.add(node.weight)
      return this.#weighed(node.nodeId, known, isMoved)
    }
    this.#entries.set(node.nodeId, blank(node))
    this.#middle.add(node.weight)
    this.#give(this.#source, [node.nodeId])
    this.#compare()
    return this.#settle(this.#source)
  }

  /** It receives, and can pass on what it has. */
  ready(server: string): readonly CourseStep[] {
    const entry = this.#entries.get(server)
    if (entry?.state !== 'approached') return []
    entry.state = 'ready'
    return this.#settle(server)
  }

  /** It has everything: who served it has a place to spare. */
  finished(server: string): readonly CourseStep[] {
    const entry = this.#entries.get(server)
    if (entry === undefined || entry.state === 'finished') return []
    // It has it from elsewhere, and need not be approached any more.
    if (entry.holder !== null) this.#strike(entry, server)
    else this.#release(entry)
    entry.state = 'finished'
    if (entry.by === null) this.#touched.add(server)
    entry.by ??= this.#source
    this.#entries.get(entry.by)?.served.add(server)
    return this.#settle(entry.by, server)
  }

  /** It is gone: its list goes back, those that it served get another. */
  failed(server: string): readonly CourseStep[] {
    const entry = this.#entries.get(server)
    if (entry === undefined || server === this.#source) return []
    this.#entries.delete(server)
    this.#holders.delete(server)
    this.#idle.delete(server)
    this.#middle.remove(entry.node.weight)
    const { by } = entry
    if (by === null) {
      this.#strike(entry, server)
      this.#compare()
      return this.#settle()
    }
    if (entry.state !== 'finished') this.#release(entry)
    this.#entries.get(by)?.served.delete(server)
    this.#give(by, entry.list)
    for (const target of entry.served) this.#adopt(target, by)
    this.#compare()
    return this.#settle(by)
  }

  /** What its uplink counts is another: how many it may serve, and its place in the list that it is on. */
  #weighed(server: string, entry: Entry, isMoved: boolean): readonly CourseStep[] {
    this.#compare()
    const { holder } = entry
    if (holder !== null) {
      if (isMoved) {
        this.#strike(entry, server)
        this.#give(holder, [server])
      }
      return this.#settle()
    }
    this.#handBack(entry)
    this.#note(server)
    return this.#settle(entry.by ?? this.#source, server)
  }

  /** Weights count beside the middle one, which may be another now: then all of them count differently. */
  #compare(): void {
    const usual = this.#middle.value
    if (usual === this.#usual) return
    this.#usual = usual
    for (const entry of this.#entries.values()) entry.list = this.#sorted(entry.list)
    for (const entry of this.#entries.values()) this.#handBack(entry)
    for (const server of this.#entries.keys()) this.#note(server)
    for (const server of [...this.#holders]) this.#approachFrom(server)
  }

  /** Who may serve nobody any more has no list. */
  #handBack(entry: Entry): void {
    const { list, by } = entry
    if (list.length === 0 || by === null || this.#slots(entry) > 0) return
    entry.list = []
    this.#give(by, list)
  }

  /** As many at once as its uplink bears. */
  #slots({ node }: Pick<Entry, 'node'>): number {
    if (this.#fanout !== null) return this.#fanout
    const { weight, bears } = node
    if (node.nodeId === this.#source) return bears ?? fanoutOf({ weight, ...unmeasured })
    if (isSlow(weight, this.#usual)) return 0
    return bears ?? fanoutOf({ weight: weight / this.#usual, ...unmeasured })
  }

  #mayServe({ state }: Entry): boolean {
    return state === 'finished' || (state === 'ready' && this.#rule.servesWhen === 'ready')
  }

  #spare(entry: Entry): number {
    return this.#slots(entry) - entry.busy
  }

  /** Keeps the two sets. */
  #note(server: string): void {
    const entry = this.#entries.get(server)
    if (entry === undefined) return
    const maySend = this.#mayServe(entry)
    toggle(this.#holders, server, maySend && entry.list.length > 0)
    toggle(this.#idle, server, maySend && entry.list.length === 0 && this.#spare(entry) > 0)
  }

  /** It is on a list no more. */
  #strike(entry: Entry, server: string): void {
    const { holder } = entry
    entry.holder = null
    const holding = holder === null ? undefined : this.#entries.get(holder)
    if (holder === null || holding === undefined) return
    holding.list = holding.list.filter((other) => other !== server)
    this.#note(holder)
  }

  /** Puts servers on somebody's list: its own, or of the first above it that may serve anybody. */
  #give(to: string, servers: readonly string[]): void {
    let holder = to
    for (;;) {
      const entry = this.#entries.get(holder)
      assert(entry !== undefined, 'who hands out takes part', { holder })
      if (holder === this.#source || this.#slots(entry) > 0) break
      holder = entry.by ?? this.#source
    }
    const holding = this.#entries.get(holder) as Entry
    for (const server of servers) this.#hold(server, holder)
    holding.list = this.#merged(holding.list, servers)
    this.#note(holder)
  }

  #hold(server: string, holder: string): void {
    ;(this.#entries.get(server) as Entry).holder = holder
    this.#touched.add(server)
  }

  /** Two lists in the order of both. */
  #merged(list: readonly string[], others: readonly string[]): readonly string[] {
    const [last, next] = [list.at(-1), others[0]]
    const all = [...list, ...others]
    const isSorted = last === undefined || next === undefined || this.#order(last, next) <= 0
    return isSorted ? all : this.#sorted(all)
  }

  #sorted(list: readonly string[]): readonly string[] {
    return list.toSorted((a, b) => this.#order(a, b))
  }

  #order(a: string, b: string): number {
    const [one, other] = [this.#entries.get(a) as Entry, this.#entries.get(b) as Entry]
    return compareApproach(one.node, other.node, this.#usual)
  }

  /** Who serves it has a place to spare. */
  #release({ by }: Entry): void {
    const server = by === null ? undefined : this.#entries.get(by)
    if (by === null || server === undefined) return
    server.busy -= 1
    this.#note(by)
  }

  #serve(type: CourseStep['type'], server: string, target: string, list: readonly string[]): void {
    const [serving, entry] = [this.#entries.get(server) as Entry, this.#entries.get(target) as Entry]
    entry.by = server
    this.#touched.add(target)
    serving.served.add(target)
    serving.busy += 1
    this.#steps.push({ type, server, target, list })
    this.#note(server)
  }

  /** Who is served by nobody any more gets another: who served that one, where nobody is free who has everything. */
  #adopt(target: string, above: string): void {
    const entry = this.#entries.get(target)
    if (entry === undefined) return
    if (entry.state === 'finished') {
      entry.by = above
      this.#touched.add(target)
      this.#entries.get(above)?.served.add(target)
      return
    }
    const [free] = this.#rule.servesWhen === 'finished' ? this.#idle : []
    this.#serve('adopt', free ?? above, target, entry.list)
  }

  /** Lets all of those approach whom they can, and others help where a list is left. */
  #settle(...servers: readonly string[]): readonly CourseStep[] {
    for (const server of servers) this.#note(server)
    this.#help()
    for (const server of servers) this.#approachFrom(server)
    this.#help()
    const steps = this.#steps
    this.#steps = []
    return steps
  }

  /** Who has a place to spare and no list takes a part of the first that there is. */
  #help(): void {
    for (;;) {
      const [holder] = this.#holders
      const [helper] = this.#idle
      if (holder === undefined || helper === undefined) return
      const from = this.#entries.get(holder) as Entry
      const spare = this.#spare(this.#entries.get(helper) as Entry)
      const isTaken = (at: number): boolean => (this.#rule.deals ? at % 2 === 0 : at < spare)
      const taken = from.list.filter((_, at) => isTaken(at))
      from.list = from.list.filter((_, at) => !isTaken(at))
      this.#note(holder)
      this.#give(helper, taken)
      this.#approachFrom(helper)
    }
  }

  /** Approaches the first of its list, as many as it may serve, and deals out the rest. */
  #approachFrom(server: string): void {
    const entry = this.#entries.get(server)
    if (entry === undefined || !this.#mayServe(entry)) return
    const count = Math.min(Math.max(0, this.#spare(entry)), entry.list.length)
    if (count === 0) return
    const targets = entry.list.slice(0, count)
    const rest = entry.list.slice(count)
    const able = targets.filter((target) => this.#slots(this.#entries.get(target) as Entry) > 0)
    const isDealt = this.#rule.deals && able.length > 0
    entry.list = isDealt ? [] : rest
    for (const target of targets) {
      const place = able.indexOf(target)
      const list = isDealt && place >= 0 ? rest.filter((_, at) => at % able.length === place) : []
      const approached = this.#entries.get(target) as Entry
      approached.state = 'approached'
      approached.holder = null
      approached.list = list
      for (const other of list) this.#hold(other, target)
      this.#serve('approach', server, target, list)
    }
  }
}

/** An uplink that counts as its weight says. */
const unmeasured = { uplinkBps: null, takesBps: null, load: 0 }

function blank(node: PlanNode): Entry {
  return { node, state: 'waiting', by: null, holder: null, list: [], served: new Set(), busy: 0 }
}

function toggle(set: Set<string>, value: string, isIn: boolean): void {
  if (isIn) set.add(value)
  else set.delete(value)
}
