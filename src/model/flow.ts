/** What one node sent to another lately, over all that it serves it. */
export interface Flow {
  /** Who receives. */
  readonly to: string
  readonly rateBps: number
  /** 0 to 1: how much of the time there was more for it than was taken. */
  readonly busyRatio: number
}
