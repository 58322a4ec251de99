/** Who serves others says at every look that it is there, or how seldom it will: after so many without it is not. */
const SILENT_LOOKS = 3
/** After so many what comes to it says nothing of who sends it: that one would be blamed before it is gone. */
const QUIET_LOOKS = 1
/** When more than this part of the nodes say nothing, and more than two, it is not they. */
const SILENT_NODES_RATIO = 0.125
const SILENT_NODES_MIN = 2
/** Who is heard again serves others after this time, each time twice as long: some are silent again and again. */
const REST_MS = 2_000
const REST_MS_MAX = 640_000

/** When somebody was heard last, and whether it serves others, who is then heard again and again. */
export interface Heard {
  readonly heardMs: number
  /** What it need not say anything for after that. */
  readonly quietMs: number
  readonly serves: boolean
}

interface Listened {
  heardMs: number
  /** Looks in a row without a word. */
  looks: number
  /** It is taken for gone since; null: it is not. */
  goneMs: number | null
  restMs: number
}

/** What a look has found. */
export interface Silence {
  /** Taken for gone from now on. */
  readonly lost: readonly string[]
  /** Was taken for gone, and serves others again. */
  readonly back: readonly string[]
  /** Whose links may seem slow because nobody is there. */
  readonly quiet: ReadonlySet<string>
}

/**
 * Finds who may be gone, long before its connections break. It counts looks, not time: when the looker itself is held
 * up, all seem silent to it. Pure.
 */
export class Silences {
  readonly #nodes = new Map<string, Listened>()

  look(nowMs: number, heard: ReadonlyMap<string, Heard>): Silence {
    for (const [nodeId, known] of this.#nodes) if (!isListenedTo(known, heard.get(nodeId))) this.#nodes.delete(nodeId)
    for (const [nodeId, { heardMs, serves }] of heard) if (serves) this.#listenTo(nodeId, heardMs)
    for (const [nodeId, known] of this.#nodes) count(known, nowMs, heard.get(nodeId))
    return { lost: this.#lose(nowMs), back: this.#takeBack(nowMs), quiet: this.#silentFor(QUIET_LOOKS) }
  }

  #listenTo(nodeId: string, heardMs: number): void {
    // The look at which it begins says nothing of it.
    if (!this.#nodes.has(nodeId)) this.#nodes.set(nodeId, { heardMs, looks: -1, goneMs: null, restMs: REST_MS })
  }

  #silentFor(looks: number): ReadonlySet<string> {
    return new Set([...this.#nodes].flatMap(([nodeId, known]) => (known.looks >= looks ? [nodeId] : [])))
  }

  #lose(nowMs: number): readonly string[] {
    const silent = [...this.#silentFor(SILENT_LOOKS)].filter((nodeId) => this.#nodes.get(nodeId)?.goneMs === null)
    if (silent.length > Math.max(SILENT_NODES_MIN, this.#nodes.size * SILENT_NODES_RATIO)) return []
    for (const nodeId of silent) (this.#nodes.get(nodeId) as Listened).goneMs = nowMs
    return silent
  }

  #takeBack(nowMs: number): readonly string[] {
    return [...this.#nodes].flatMap(([nodeId, known]) => {
      const isBack = known.goneMs !== null && known.looks === 0 && nowMs - known.goneMs >= known.restMs
      if (!isBack) return []
      known.goneMs = null
      known.restMs = Math.min(known.restMs * 2, REST_MS_MAX)
      return [nodeId]
    })
  }
}

/** Who is taken for gone is listened to until it is heard, wherever it is meanwhile. */
const isListenedTo = ({ goneMs }: Listened, heard: Heard | undefined): boolean =>
  goneMs !== null || heard?.serves === true

function count(known: Listened, nowMs: number, heard: Heard | undefined): void {
  const { heardMs, quietMs } = heard ?? { heardMs: known.heardMs, quietMs: 0 }
  if (heardMs > known.heardMs) known.looks = 0
  else if (quietMs === 0 || nowMs - heardMs > quietMs) known.looks += 1
  known.heardMs = heardMs
}
