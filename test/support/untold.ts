// The parts of a world that tell others what happens, for tests in which nobody listens.
import type { World } from '../../src/coordinator/world.js'

export const untold: Pick<World, 'announcing' | 'standings'> = {
  announcing: { announce: async () => {}, announceJob: async () => {}, ring: () => {} },
  standings: { look: () => {}, recover: async () => {} },
} as unknown as Pick<World, 'announcing' | 'standings'>
