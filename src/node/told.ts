import type { Stage } from '../control/schema/channel.js'

/** What may change of an assignment while its command waits. */
type Changing = Pick<Stage, 'plan' | 'reserve' | 'pace'>

/**
 * What was told last of assignments whose commands wait for their turn. News of a plan is heard at once, a command in
 * its turn: without this, news that comes meanwhile would be lost, or undone by the older plan of the command.
 */
export class Told {
  readonly #waiting = new Map<string, { count: number; newest: Partial<Changing> }>()

  /** A command has come. */
  hear({ assignment, plan, reserve, pace }: Stage): void {
    this.#of(assignment.id).newest = { plan, reserve, pace }
  }

  /** A command begins to wait; `done` ends that. */
  wait({ assignment }: Stage): void {
    this.#of(assignment.id).count += 1
  }

  done({ assignment }: Stage): void {
    const known = this.#of(assignment.id)
    known.count -= 1
    if (known.count <= 0) this.#waiting.delete(assignment.id)
  }

  /** News of an assignment; of one for which no command waits nothing is kept. */
  change(assignmentId: string, news: Partial<Changing>): void {
    const known = this.#waiting.get(assignmentId)
    if (known !== undefined) known.newest = { ...known.newest, ...news }
  }

  /** A command as it is by now. */
  newest(command: Stage): Stage {
    return { ...command, ...this.#waiting.get(command.assignment.id)?.newest }
  }

  #of(assignmentId: string): { count: number; newest: Partial<Changing> } {
    const known = this.#waiting.get(assignmentId) ?? { count: 0, newest: {} }
    this.#waiting.set(assignmentId, known)
    return known
  }
}
