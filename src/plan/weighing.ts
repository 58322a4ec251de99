import { type Flow, isHeldUp, SLOW_FLOW_RATIO, sumOf } from '../model/flow.js'
import { Comparing } from './comparing.js'
import {
  ableOf,
  atLeastOf,
  findSlow,
  type FlowsOf,
  isAsProbed,
  type Look,
  makeLook,
  ownAbleOf,
  type Probed,
  type SlowLink,
} from './flows.js'
import { type Heard, type Silence, Silences } from './silences.js'
import { Signs } from './signs.js'
import { SLOW_RATIO } from './strategies/slots.js'
import { inSteps, WEIGHT_MAX } from './uplinks.js'

export type { FlowsOf, Probed } from './flows.js'

/** What is known of nodes beside what they say of their links. */
export interface Around {
  /** When each was heard, who is there. */
  readonly heard?: ReadonlyMap<string, Heard>
  readonly probed?: ReadonlyMap<string, Probed>
}

/** Looks in a row at which something must be so before it counts. */
const LOOKS_MIN = 2
/** What both ends say of one moment is one look: nodes look no sooner again, but for timers that are early or late. */
const LOOKS_APART_MS = 45
/** Of so many nodes; of four times as many once more, and so on: the more there are, the more look slow by chance. */
const LOOKS_NODES = 16
/** Looks of which the best counts: within a second of a break others seem slow that only wait. */
const LOOKS_REMEMBERED = 4
/** Uplinks are uneven when a plan asks somebody for so much more than it can give. */
const OVERLOAD_RATIO = 1.4
/** When more than this part of the nodes are asked too much, it is not a passing trouble of one. */
const BROAD_RATIO = 0.2
/** Nodes are compared with those that said something within this time: what others could give is of other transfers. */
const COMPARED_MS = 300_000
/** When more than this part of the nodes are slow, it is not they. */
const SLOW_NODES_RATIO = 0.5
/** After a change nothing counts for this time: who has new parents and children is not as it will be. */
const SETTLE_MS = 1000
/** And after somebody has gone, so seldom at most. */
const LEAVE_REST_MS = 10_000
/** Uneven uplinks are weighed anew at most this often, each time twice as seldom: a busy machine's measures waver. */
const MEASURE_REST_MS = 2000
/** A node that was slow and is not seen to be is trusted again after this time, each time twice as long. */
const REST_MS = 60_000
const REST_MS_MAX = 640_000

/** A node whose weight has changed, and why: what it gave or took, beside what is usual. */
export interface WeightChange {
  readonly nodeId: string
  readonly weight: number
  /** `uneven`: who is held up counts by what it gave, and this one was asked for most beyond that. */
  readonly why: SlowLink['why'] | 'uneven' | 'rested'
  readonly rateBps: number
  readonly usualBps: number
  /** As of `SlowLink`. */
  readonly starved?: readonly string[]
}

/** What is known of a node. */
class Standing {
  /** What it counts, by what it could send when all were last measured; 1 until then. */
  measured = 1
  slowLooks = 0
  lookedMs = Number.NEGATIVE_INFINITY
  /** Its weight while it is slow; null: it is not. */
  slowWeight: number | null = null
  slowWhy: SlowLink['why'] | null = null
  #sinceMs = 0
  #noticedMs = Number.NEGATIVE_INFINITY
  #restMs = REST_MS
  #lately: readonly number[] = []
  #atLeastBps = 0

  get weight(): number {
    return this.slowWeight ?? this.measured
  }

  /** The most that it could send at its last looks; null: nobody knows. */
  get ableBps(): number | null {
    return this.#lately.length === 0 ? null : Math.max(...this.#lately)
  }

  /** The same where it is known, else what it was seen to send. */
  get seenBps(): number {
    return this.ableBps ?? this.#atLeastBps
  }

  /** It could send so much; null: so much at least, and maybe more. */
  notice(nowMs: number, ableBps: number | null, atLeastBps: number): void {
    this.#noticedMs = nowMs
    this.#atLeastBps = Math.max(this.#atLeastBps, atLeastBps)
    const isNews = ableBps !== null || (this.ableBps !== null && atLeastBps > this.ableBps)
    if (isNews) this.#lately = [...this.#lately, ableBps ?? atLeastBps].slice(-LOOKS_REMEMBERED)
  }

  wasNoticed(sinceMs: number): boolean {
    return this.#noticedMs >= sinceMs
  }

  slowSince(nowMs: number, weight: number, why: SlowLink['why']): void {
    this.slowWeight = Math.max(weight, Number.EPSILON)
    this.slowWhy = why
    this.#sinceMs = nowMs
  }

  /** What was held against it is not any more. */
  clear(): void {
    this.slowWeight = null
    this.slowWhy = null
    this.slowLooks = 0
  }

  /** Who was silent is trusted when it is heard. */
  hasRested(nowMs: number): boolean {
    return this.slowWhy !== 'silent' && this.slowWeight !== null && nowMs - this.#sinceMs >= this.#restMs
  }

  trustAgain(): void {
    this.clear()
    this.#restMs = Math.min(this.#restMs * 2, REST_MS_MAX)
  }
}

/**
 * Finds nodes whose links are slow beside the others', from what senders say of their links. A node's uplink is slow
 * when all its links are held up, give little together, and a receiver could take more; its downlink, when all links
 * towards it are held up and give little together. And where the source could give more than goes on, uplinks are
 * uneven: who is held up itself counts by what it gave. Once links are known (`Comparing`), who gives little by one has
 * become slow; and who serves others and says nothing may be gone. Pure.
 */
export class Weighing {
  readonly #standings = new Map<string, Standing>()
  #unevenLooks = 0
  #measuredAtMs = Number.NEGATIVE_INFINITY
  #measureRestMs = MEASURE_REST_MS
  #settledAtMs = 0
  #leftMs = Number.NEGATIVE_INFINITY
  readonly #comparing = new Comparing()
  readonly #silences = new Silences()
  readonly #signs = new Signs()
  #quiet: Silence['quiet'] = new Set()

  /** The node's links were compared with others' in what they carried: weights say what there is to say of them. */
  knows(nodeId: string): boolean {
    return this.#comparing.knows(nodeId)
  }

  /** Some link was lately not what it was taken for: they have to be compared. */
  isDoubted(nowMs: number): boolean {
    return this.#comparing.isDoubted(nowMs)
  }

  /** What a node's uplink counts beside the others'; 1 is usual. */
  weightOf(nodeId: string): number {
    return this.#standings.get(nodeId)?.weight ?? 1
  }

  /** The median of what those could give who have served anybody; 0: nobody has. */
  get usualBps(): number {
    return usualOf([...this.#standings.values()])
  }

  /** The most that a node could send at its last looks, by what it did send; null: nobody knows. */
  ableBpsOf(nodeId: string): number | null {
    return this.#standings.get(nodeId)?.ableBps ?? null
  }

  /** Call it at an even pace. */
  look(
    nowMs: number,
    reports: readonly FlowsOf[],
    source: string,
    { heard = new Map(), probed = new Map() }: Around = {},
  ): readonly WeightChange[] {
    const silence = this.#silences.look(nowMs, heard)
    this.#quiet = silence.quiet
    const heeded = this.#heed(nowMs, silence)
    if (heeded.length > 0 || nowMs < this.#settledAtMs) return heeded
    const { evenBps } = this.#comparing
    const look = makeLook({ nowMs, reports, source, evenBps, quiet: this.#quiet, probed })
    for (const { from, flows, isOld = false } of look.reports) {
      if (!isOld) this.#standing(from).notice(nowMs, ownAbleOf(flows, look), atLeastOf(flows, look))
    }
    const usualBps = usualOf(this.#compared(nowMs))
    if (usualBps === 0) return []
    const changes = [...this.#noteSlow(look, usualBps), ...this.#trustAgain(nowMs, usualBps)]
    changes.push(...this.#measure(look, usualBps, changes.length > 0))
    const isDoubtNew = this.#comparing.look(look, changes)
    if (changes.length > 0 || isDoubtNew) this.#settle(nowMs)
    return changes
  }

  /** Nodes have other parents and children than before: nothing counts until they are as they will be. */
  #settle(nowMs: number): void {
    this.#settledAtMs = nowMs + SETTLE_MS
  }

  /** A node that served others has gone: they have others now. One that comes and goes counts seldom. */
  leave(nowMs: number): void {
    if (nowMs - this.#leftMs < LEAVE_REST_MS) return
    this.#leftMs = nowMs
    this.#settle(nowMs)
    this.#signs.clear()
    for (const standing of this.#standings.values()) standing.slowLooks = 0
  }

  /** A node says how its links are: what of it counts later is kept. */
  hear(nowMs: number, from: string, flows: readonly Flow[]): void {
    const { evenBps } = this.#comparing
    if (evenBps !== null) this.#signs.hear(nowMs, from, flows, evenBps)
  }

  /**
   * Somebody says in a hurry that a link has broken down, or that it has nothing more to give. Where links are known it
   * counts as `look` would have it.
   */
  glance(nowMs: number, reports: readonly FlowsOf[], source: string): readonly WeightChange[] {
    const { evenBps } = this.#comparing
    const usualBps = usualOf(this.#compared(nowMs))
    if (evenBps === null || usualBps === 0 || nowMs < this.#settledAtMs) return []
    const look = makeLook({ nowMs, reports, source, evenBps, quiet: this.#quiet, probed: new Map() })
    const changes = this.#noteSlow(look, usualBps)
    this.#comparing.heed(nowMs, changes)
    if (changes.length > 0) this.#settle(nowMs)
    return changes
  }

  /** Whoever is served by one that may be gone is served by others, before its links break. */
  #heed(nowMs: number, { lost, back }: Silence): readonly WeightChange[] {
    const usualBps = usualOf(this.#compared(nowMs))
    if (usualBps === 0) return []
    const changes = [
      ...lost.flatMap((nodeId) => this.#lose(nowMs, nodeId, usualBps)),
      ...back.flatMap((nodeId) => this.#takeBack(nodeId, usualBps)),
    ]
    if (changes.length > 0) this.#settle(nowMs)
    return changes
  }

  #lose(nowMs: number, nodeId: string, usualBps: number): readonly WeightChange[] {
    const standing = this.#standings.get(nodeId)
    if (standing === undefined || standing.slowWeight !== null) return []
    standing.slowSince(nowMs, 0, 'silent')
    return [{ nodeId, why: 'silent', weight: standing.weight, rateBps: 0, usualBps }]
  }

  #takeBack(nodeId: string, usualBps: number): readonly WeightChange[] {
    const standing = this.#standings.get(nodeId)
    if (standing?.slowWhy !== 'silent') return []
    standing.clear()
    return [{ nodeId, why: 'rested', weight: standing.weight, rateBps: standing.seenBps, usualBps }]
  }

  #noteSlow(look: Look, usualBps: number): readonly WeightChange[] {
    const found = findSlow(look, {
      usualBps,
      isSlowReceiver: (nodeId) => this.#standings.get(nodeId)?.slowWhy === 'downlink',
      ableBpsOf: (nodeId) => this.ableBpsOf(nodeId),
    })
    const areMany = found.size > this.#compared(look.nowMs).length * SLOW_NODES_RATIO
    const slow: ReadonlyMap<string, SlowLink> = areMany ? new Map() : found
    for (const nodeId of slow.keys()) this.#standing(nodeId)
    const news = newsOf(look)
    const speakers = new Set(look.reports.filter(({ isOld }) => isOld !== true).map(({ from }) => from))
    const looksMin = looksFor(this.#compared(look.nowMs).length)
    return [...this.#standings].flatMap(([nodeId, standing]) => {
      const link = slow.get(nodeId)
      if (link === undefined) {
        standing.slowLooks = 0
        return []
      }
      const isNews = news.has(nodeId) || link.starved?.some((below) => speakers.has(below)) === true
      if (!isNews || look.nowMs - standing.lookedMs < LOOKS_APART_MS) return []
      standing.lookedMs = look.nowMs
      standing.slowLooks += standing.slowLooks === 0 && this.#isWitnessed(look, link) ? 2 : 1
      const isNew = standing.slowWeight === null
      if (isNew && standing.slowLooks < looksMin) return []
      standing.slowSince(look.nowMs, standing.slowWeight ?? link.rateBps / usualBps, link.why)
      return isNew ? [{ ...link, weight: standing.weight, usualBps }] : []
    })
  }

  /** Of a link that was known others have said so already, more than once: that is a look of its own. */
  #isWitnessed({ nowMs, into, by, evenBps }: Look, { nodeId, starved }: SlowLink): boolean {
    if (starved === undefined) return false
    const flows = into.get(nodeId) ?? []
    const senders = flows.flatMap((flow) => by.get(flow)?.from ?? [])
    const takesLittle = sumOf(flows) < (evenBps ?? 0) * SLOW_FLOW_RATIO
    return (
      this.#signs.areDry(nowMs, starved, LOOKS_APART_MS) ||
      (takesLittle && this.#signs.areHeldUp(nowMs, senders, nodeId, LOOKS_APART_MS))
    )
  }

  #trustAgain(nowMs: number, usualBps: number): readonly WeightChange[] {
    const rested = [...this.#standings].filter(([, standing]) => standing.hasRested(nowMs))
    for (const [, standing] of rested) standing.trustAgain()
    return rested.map(([nodeId, { weight, seenBps }]) => ({
      nodeId,
      weight,
      why: 'rested',
      rateBps: seenBps,
      usualBps,
    }))
  }

  /** Where the source waits for somebody who is asked for too much, those held up count by what they gave. */
  #measure(look: Look, usualBps: number, isDue: boolean): readonly WeightChange[] {
    const loads = this.#loads(look)
    const over = loads.filter(({ load }) => load > OVERLOAD_RATIO)
    const [worst] = over.toSorted((a, b) => b.load - a.load)
    this.#unevenLooks = worst !== undefined && this.#couldMore(look) ? this.#unevenLooks + 1 : 0
    const isBroad = over.length > loads.length * BROAD_RATIO
    if (worst === undefined || this.#unevenLooks < (isDue && isBroad ? 1 : LOOKS_MIN)) return []
    this.#weighAll(look, loads, usualBps)
    const { nodeId, ableBps } = worst
    return [{ nodeId, why: 'uneven', weight: this.weightOf(nodeId), rateBps: ableBps, usualBps }]
  }

  /** The source is held back, and all were weighed long enough ago. */
  #couldMore({ nowMs, ofSource, evenBps }: Look): boolean {
    const hasRested = nowMs - this.#measuredAtMs >= this.#measureRestMs
    // Where links are even, what one gives who waits for another says nothing of its own.
    return hasRested && evenBps === null && ofSource.length > 0 && !ofSource.some(isHeldUp)
  }

  #weighAll({ nowMs, ofSource }: Look, loads: readonly Load[], usualBps: number): void {
    if (Number.isFinite(this.#measuredAtMs)) this.#measureRestMs = Math.min(this.#measureRestMs * 2, REST_MS)
    this.#measuredAtMs = nowMs
    this.#unevenLooks = 0
    const unitBps = Math.min(usualBps, ableOf(ofSource) ?? usualBps)
    for (const { standing, ableBps } of loads) {
      const weight = Math.min(inSteps(ableBps / unitBps), WEIGHT_MAX)
      // It will serve nobody, and nobody will see what it could give: it rests.
      if (weight < SLOW_RATIO) standing.slowSince(nowMs, weight, 'uplink')
      else standing.measured = weight
    }
  }

  /** Of those of whom it is known what they could give: how much more they are asked for. */
  #loads(look: Look): readonly Load[] {
    const { reports, into, ofSource } = look
    const counts = [...into.values()].map((flows) => flows.length).sort((a, b) => a - b)
    const strands = counts[Math.floor(counts.length / 2)] ?? 1
    const strandBps = (ableOf(ofSource) ?? 0) / strands
    return reports.flatMap(({ from, flows }) => {
      const standing = this.#standing(from)
      const { ableBps } = standing
      if (ableBps === null || standing.slowWeight !== null || isAsProbed(from, ableBps, look)) return []
      return [{ nodeId: from, standing, ableBps, load: (flows.length * strandBps) / ableBps }]
    })
  }

  #standing(nodeId: string): Standing {
    const known = this.#standings.get(nodeId)
    if (known !== undefined) return known
    const standing = new Standing()
    this.#standings.set(nodeId, standing)
    return standing
  }

  /** Who has said something of late. */
  #compared(nowMs: number): readonly Standing[] {
    return [...this.#standings.values()].filter((standing) => standing.wasNoticed(nowMs - COMPARED_MS))
  }
}

const looksFor = (nodes: number): number => LOOKS_MIN + Math.ceil(Math.log2(Math.max(1, nodes / LOOKS_NODES)) / 2)

/** The median of what those could give who have served anybody; 0: nobody has. */
function usualOf(standings: readonly Standing[]): number {
  const all = standings.map(({ seenBps }) => seenBps).filter((seenBps) => seenBps > 0)
  return all.sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0
}

/** Of whom somebody says what no look has counted yet. */
const newsOf = ({ reports }: Look): ReadonlySet<string> =>
  new Set(reports.flatMap(({ from, flows, isOld }) => (isOld === true ? [] : [from, ...flows.map(({ to }) => to)])))

interface Load {
  readonly nodeId: string
  readonly standing: Standing
  readonly ableBps: number
  readonly load: number
}
