/** What one node sent to another lately, over all that it serves it. */
export interface Flow {
  /** Who receives. */
  readonly to: string
  readonly rateBps: number
  /** 0 to 1: how much of the time there was more for it than was taken. */
  readonly busyRatio: number
}

/** A flow is held up when there was more to send for this part of the time. */
const HELD_UP_RATIO = 0.75
/** Who gives or takes less than this part of what is usual is slow. */
export const SLOW_FLOW_RATIO = 0.4

export const isHeldUp = ({ busyRatio }: Flow): boolean => busyRatio >= HELD_UP_RATIO

/** What they carry together, in bits a second. */
export const sumOf = (flows: readonly Flow[]): number => flows.reduce((sum, { rateBps }) => sum + rateBps, 0)

/**
 * Much less goes there than before, and not since it is held up: there is no more to give.
 * @param before what it was when it was last told of; undefined: it was not.
 */
export const hasRunDry = (before: Flow | undefined, now: Flow): boolean =>
  before !== undefined && !isHeldUp(now) && now.rateBps < before.rateBps * SLOW_FLOW_RATIO

/** Who gives less than this part is no slow link, but one that leads nowhere. */
const NOTHING_RATIO = 0.005

/** @param before as of `hasRunDry`. */
export const hasBrokenDown = (before: Flow | undefined, now: Flow): boolean =>
  before !== undefined &&
  isHeldUp(now) &&
  now.rateBps < before.rateBps * SLOW_FLOW_RATIO &&
  now.rateBps > before.rateBps * NOTHING_RATIO

/** Rates that differ by less than this part say the same. */
const ALIKE_RATIO = 0.25

/** Whether links are as they were told to be: to the same nodes, held up or not as before, at about the same rate. */
export const areAlike = (before: ReadonlyMap<string, Flow>, now: readonly Flow[]): boolean =>
  before.size === now.length &&
  now.every((flow) => {
    const told = before.get(flow.to)
    if (told === undefined || isHeldUp(told) !== isHeldUp(flow)) return false
    return Math.abs(flow.rateBps - told.rateBps) <= told.rateBps * ALIKE_RATIO
  })
