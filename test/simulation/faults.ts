// What goes wrong, and when: drawn from the seed, at an end when the quiet period begins.
import type { Random } from '../../src/base/random.js'
import type { Timeline } from './clock.js'
import type { SimCoordinator } from './coordinator.js'
import type { Network } from './network.js'
import type { SimNode } from './node.js'

export interface FaultsOptions {
  readonly time: Timeline
  readonly random: Random
  readonly network: Network
  readonly coordinator: SimCoordinator
  readonly nodes: readonly SimNode[]
  readonly groups: readonly string[]
  readonly note: (text: string) => void
}

type Fault = (options: FaultsOptions, node: SimNode) => void

/** Restores something after a while. */
const later = ({ time, random }: FaultsOptions, run: () => void): void => void time.after(random.below(15_000), run)

const kinds: Readonly<Record<string, Fault>> = {
  'node ends at a step': ({ random }, node) => node.life?.endIn(1 + random.below(40)),
  'node killed': (_, node) => node.life?.crash('killed'),
  'coordinator ends at a step': ({ random, coordinator }) => coordinator.life?.endIn(1 + random.below(150)),
  'coordinator killed': ({ coordinator }) => coordinator.life?.crash('killed'),
  cut: ({ network }, { way }) => network.cut(way),
  partition: (options, { way }) => {
    way.isMuted.node = true
    way.isMuted.coordinator = true
    later(options, () => options.network.free(way))
  },
  'one-way silence': (options, { way }) => {
    way.isMuted[options.random.below(2) === 0 ? 'node' : 'coordinator'] = true
    later(options, () => options.network.free(way))
  },
  'node disk full': (options, { disk }) => {
    disk.isFull = true
    later(options, () => {
      disk.isFull = false
    })
  },
  'coordinator disk full': (options) => {
    options.coordinator.isFull = true
    options.time.after(options.random.below(2000), () => {
      options.coordinator.isFull = false
    })
  },
  'slow node': (options, node) => {
    node.disk.slowMs = 400
    node.fetchMs = 9000
    node.way.delayMs = 1500
    later(options, () => mend(node))
  },
  'faulty node': (options, node) => {
    node.faulty = 0.5
    later(options, () => mend(node))
  },
  'group changed': ({ random, groups }, node) => {
    node.groups = groups.filter((_, index) => index === 0 || random.next() < 0.6)
    node.life?.crash('its groups are changed')
  },
}

function mend(node: SimNode): void {
  node.disk.slowMs = 20
  node.fetchMs = 400
  node.way.delayMs = 20
  node.faulty = 0
}

/** Swarm testing: each seed draws the kinds of faults that it has, so that some are seen alone. */
export class Faults {
  readonly #options: FaultsOptions
  readonly #chosen: readonly string[]
  #isOver = false

  constructor(options: FaultsOptions) {
    this.#options = options
    const share = options.random.next()
    this.#chosen = Object.keys(kinds).filter(() => options.random.next() < 0.2 + 0.8 * share)
  }

  start(meanMs: number): void {
    const { time, random, nodes, note } = this.#options
    if (this.#chosen.length === 0) return
    const wait = (): void => {
      time.after(-Math.log(1 - random.next()) * meanMs, () => {
        if (this.#isOver) return
        const kind = this.#chosen[random.below(this.#chosen.length)] ?? ''
        // Now and then it hits many at once.
        const count = random.next() < 0.1 ? Math.ceil(nodes.length / 3) : 1
        note(`fault: ${kind}${count > 1 ? ` × ${count}` : ''}`)
        for (let i = 0; i < count; i++) {
          const node = nodes[random.below(nodes.length)]
          if (node !== undefined) kinds[kind]?.(this.#options, node)
        }
        wait()
      })
    }
    wait()
  }

  /** From here on nothing goes wrong any more. */
  end(): void {
    const { network, coordinator, nodes } = this.#options
    this.#isOver = true
    coordinator.isFull = false
    coordinator.life?.endIn(Number.POSITIVE_INFINITY)
    for (const node of nodes) {
      node.life?.endIn(Number.POSITIVE_INFINITY)
      node.disk.isFull = false
      node.way.twice = 0
      mend(node)
      network.free(node.way)
    }
  }
}
