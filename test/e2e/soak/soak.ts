// Schedules of the soak one after the other, two of them side by side.
import { Play } from './play.js'
import { Place } from './place.js'
import { describe, drawSchedule, type Schedule, type Series } from './schedule.js'

/** So many schedules share their processes: starting these takes longer than a schedule. */
const PER_PLACE = 10

export interface SoakOptions extends Series {
  readonly from: number
  readonly schedules: number
  readonly lanes: number
  /** Below it each place makes a directory, which is kept when something was wrong. */
  readonly base: string
  readonly say: (line: string) => void
}

/** A schedule, or the end of a place, of which something was wrong. */
export interface Failure {
  readonly what: string
  readonly wrong: readonly string[]
}

/** The command that plays schedules again. */
const againWith = ({ seed, nodesMin, nodesMax }: SoakOptions, ...more: readonly string[]): string =>
  ['npm run soak --', `--seed ${seed}`, `--nodes ${nodesMin}-${nodesMax}`, ...more].join(' ')

async function playOne(place: Place, schedule: Schedule, options: SoakOptions): Promise<Failure | null> {
  const { say } = options
  const begunMs = performance.now()
  const play = new Play(place, schedule)
  const wrong = await play.run()
  const took = `${((performance.now() - begunMs) / 1000).toFixed(1)} s`
  say(`${wrong.length === 0 ? 'ok' : 'NOT OK'} ${describe(schedule)} (${play.ending}, ${took})`)
  if (wrong.length === 0) return null
  const again = againWith(options, `--only ${schedule.number}`)
  const failure = { what: `${describe(schedule)}\nagain: ${again}`, wrong: [...wrong, await play.story()] }
  say([failure.what, ...failure.wrong].join('\n'))
  return failure
}

/** Plays the schedules of one place. After one that failed its processes are not trusted with another. */
async function playIn(schedules: readonly Schedule[], options: SoakOptions): Promise<readonly Failure[]> {
  const left = [...schedules]
  const failures: Failure[] = []
  while (left.length > 0) {
    const place = await Place.open(options.base, left)
    const [first] = left
    let failure: Failure | null = null
    while (failure === null && left.length > 0) failure = await playOne(place, left.shift() as Schedule, options)
    if (failure !== null) failures.push(failure)
    const wrong = await place.close()
    if (wrong.length > 0 && failure === null) {
      const again = againWith(options, `--from ${first?.number} --schedules ${schedules.length} --lanes 1`)
      failures.push({ what: `the end after schedules from ${first?.number} on\nagain: ${again}`, wrong })
      options.say([...wrong, again].join('\n'))
    }
    if (failure === null && wrong.length === 0) await place.discard()
    else options.say(`kept: ${place.directory}`)
  }
  return failures
}

/** @returns what failed. */
export async function soak(options: SoakOptions): Promise<readonly Failure[]> {
  const { from, schedules, lanes } = options
  const all = Array.from({ length: schedules }, (_, at) => drawSchedule(options, from + at))
  const failures: Failure[] = []
  const lane = async (): Promise<void> => {
    while (all.length > 0) failures.push(...(await playIn(all.splice(0, PER_PLACE), options)))
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return failures
}
