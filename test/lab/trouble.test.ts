// Goal: whoever dies, goes away or comes while content is on its way, all who are there have it in the end, whole, and
// the record says so. Method: three faults of `npm run lab:faults`, which plays all, once, in the lab, with a quarter
// of the content.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import { type Figure, play } from '../../bench/system/trouble-play.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-trouble-`)
t.teardown(() => rm(directory, { recursive: true, force: true }))

/** What more must be so of some. */
const further: Readonly<Record<string, (figure: Figure) => boolean>> = {
  // Headers, a chunk or two that were on their way, and what it says to its coordinator.
  'restarted-8': ({ apart }) => (apart['fetchedRatio'] ?? 1) < (apart['lackedRatio'] ?? 0) * 1.1 + 0.02,
  'source-killed-8': ({ apart }) => (apart['heldThen'] ?? 8) < 8,
}

for (const scenario of ['relay-killed-8', 'source-killed-8', 'restarted-8']) {
  t.test(`${scenario}: all who are there have it, and it is on record`, async (t) => {
    const options = { scale: 0.25, length: 0.25, strategy: 'braid', directory, isTalkative: false, isProbed: false }
    const figure = await play(scenario, options)
    t.same(figure.wrong, [])
    t.ok(further[scenario]?.(figure) ?? true, JSON.stringify(figure))
  })
}
