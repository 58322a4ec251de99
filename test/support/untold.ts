// The parts of a world that tell others what happens, for tests in which nobody listens and no link is slow.
import type { World } from '../../src/coordinator/world.js'
import { Weighing } from '../../src/plan/weighing.js'

type Untold = Pick<World, 'announcing' | 'linkWatch' | 'standings' | 'transfers' | 'uplinks' | 'weighing' | 'wording'>

export const untold: Untold = {
  weighing: new Weighing(),
  linkWatch: { look: () => {}, hear: () => {} },
  uplinks: {
    ...{ weightOf: () => 1, changed: () => {}, factsOf: () => ({}), bearsOf: () => 2, seen: () => {} },
    ...{ takesOf: () => null, probedOf: () => new Map() },
  },
  transfers: { all: [], openIds: [], isListening: true, get: () => undefined, poll: () => [] },
  announcing: { announce: async () => {}, announceJob: async () => {}, ring: () => {} },
  standings: { look: () => {}, recover: async () => {} },
  wording: {
    write: async () => () => {},
    revisionOf: () => ({}),
    tell: () => {},
    welcome: async () => {},
    recover: async () => {},
  },
} as unknown as Untold
