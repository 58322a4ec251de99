// The parts of a world that tell others what happens, for tests in which nobody listens.
import type { World } from '../../src/coordinator/world.js'

type Untold = Pick<World, 'announcing' | 'standings' | 'wording'>

export const untold: Untold = {
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
