/** What is tried, in this order, for a node that errs or is silent when its job ends. */
export const rungs = ['resend', 'self-check', 'resync', 'restart'] as const
export type Rung = (typeof rungs)[number]

/** How far a coordinator goes for a node before it leaves it behind. */
export interface RepairPolicy {
  readonly rungs: readonly Rung[]
  /** Repairs of one node at most; 0: none. */
  readonly attemptsMax: number
}

/**
 * `ended`: the job waits for nodes; `resumed`: it does so again, after a restart of the coordinator; `queried`: a
 * node was asked; `answered`: what it said, or what came of a repair; `extended`: it is waited for another period;
 * `repaired`: something was done for it; `done`: it has done all that was asked; `left`: it is left behind; `closed`:
 * the job is over; `canary`: some nodes switch first; `checked`: they are well; `promoted`: all may follow; `revoked`:
 * they switch back; `joined`: a node takes part from now on; `departed`: one is among the job's nodes no longer;
 * `weighed`: links are not what they were while content is on its way, and who serves whom is planned anew.
 */
export const accountKinds = [
  'ended',
  'resumed',
  'queried',
  'answered',
  'extended',
  'repaired',
  'done',
  'left',
  'closed',
  'canary',
  'checked',
  'promoted',
  'revoked',
  'joined',
  'departed',
  'weighed',
] as const
export type AccountKind = (typeof accountKinds)[number]

/** One line of the account that a job gives of its end. */
export interface AccountEvent {
  readonly atMs: number
  readonly kind: AccountKind
  /** Name of the node that it is about; null: the job. */
  readonly node: string | null
  /** Why, in a sentence. */
  readonly reason: string
  /** The repair, of `repaired`; null otherwise. */
  readonly rung: Rung | null
}
