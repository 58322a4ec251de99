// What nodes tell one another of jobs, so that they carry on while their coordinator is away.
// In: words of the coordinator and of other nodes. Out: orders that follow from them; the same words, to others.
// Never: a word that the coordinator has not signed, one that is older than what is known, a decision of its own.
import type { Cancel, Clock } from '../../base/clock.js'
import { EngineError, toEngineError } from '../../base/errors.js'
import { EXECUTED_KEPT_MAX } from '../../base/limits.js'
import type { Logger } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import { TALKS_BEGUN_MAX, WORD_LISTS_KEPT, WORD_LOOK_MS } from '../../base/word-limits.js'
import type { Commit, Execute, TellWord } from '../../control/schema/channel.js'
import type { TalkAnswer, TalkRequest } from '../../control/schema/word.js'
import { indexIn, isWordSigned, serversDigest, type SignedWord, type WordServer } from '../../model/word.js'
import type { Ledger } from '../ledger.js'
import { executedKey } from '../state.js'
import { Acting, type ActingOptions } from './acting.js'
import { Answering, answersOf, type Caller, type TalkSource } from './answering.js'
import { type Call, caller } from './calling.js'
import { type Approach, Carrying } from './carrying.js'
import type { WordFiles } from './files.js'
import { Seeking } from './seeking.js'
import { Shelf } from './shelf.js'

export interface WordsOptions extends Pick<ActingOptions, 'carryOut' | 'isUnderWay'> {
  readonly nodeId: string
  readonly name: string
  readonly files: WordFiles
  readonly ledger: Ledger
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly isConnected: () => boolean
  /** Takes in what others say; absent: it hears nobody, and calls nobody. */
  readonly relay?: TalkSource | undefined
}

/** A word to be brought to one server. */
interface Errand extends Approach {
  readonly word: SignedWord
}

/** In logs and errors. */
const COORDINATOR = 'coordinator'

export class Words {
  readonly #options: WordsOptions
  readonly #closing = new AbortController()
  readonly #shelf: Shelf
  readonly #acting: Acting
  readonly #carrying = new Carrying()
  readonly #seeking: Seeking
  readonly #answering: Answering | null
  /** Null: it calls nobody. */
  readonly #call: Call | null
  readonly #errands: Errand[] = []
  /** By site: who gave the newest word of this life; null: the coordinator. */
  readonly #givers = new Map<string, string | null>()
  /** By `executedKey`: by whom a command came that the coordinator did not order itself. */
  readonly #via = new Map<string, string>()
  /** By digest: lists of servers that the coordinator has told. */
  readonly #lists = new Map<string, readonly WordServer[]>()
  #begun = 0
  #stop: Cancel = () => {}
  #opening: Promise<void> = Promise.resolve()
  readonly #background = new Set<Promise<void>>()

  constructor(options: WordsOptions) {
    const { files, clock, random, log, nodeId, name, ledger, carryOut, isUnderWay, relay } = options
    this.#options = options
    this.#shelf = new Shelf(files, (word) => this.#isTrusted(word), log)
    this.#acting = new Acting({ nodeId, ledger, shelf: this.#shelf, clock, log, carryOut, isUnderWay })
    this.#seeking = new Seeking(random, clock.monotonicMs())
    const answer = (request: TalkRequest, from: Caller): Promise<readonly TalkAnswer[]> => this.answer(request, from)
    this.#answering = relay === undefined ? null : new Answering({ relay, clock, log, answer })
    this.#call = relay === undefined ? null : caller({ nodeId, name }, clock, this.#closing.signal)
  }

  start(): void {
    this.#opening = this.#shelf.open()
    this.#answering?.open()
    this.#stop = this.#options.clock.setInterval(WORD_LOOK_MS, () => this.#look())
  }

  async close(): Promise<void> {
    this.#closing.abort(new EngineError('ENGINE_ERR_CLOSING'))
    this.#stop()
    this.#acting.close()
    this.#answering?.close()
    this.#errands.length = 0
    await Promise.all(this.#background)
    await this.#opening
    await this.#shelf.close()
  }

  /** The node that brought a command; null: the coordinator. */
  viaOf(command: { readonly jobId: string; readonly number: number }): string | null {
    return this.#via.get(executedKey(command)) ?? null
  }

  /** The coordinator gives a word. Its orders come beside it, so nothing is begun for it while the channel is up. */
  tell({ word, servers, indexes }: TellWord): void {
    this.#run(async () => {
      const list = servers ?? this.#lists.get(word.serversDigest) ?? []
      this.#keepList(word.serversDigest, list)
      const { serversDigest: _, ...body } = word
      const whole = { ...body, servers: list }
      await this.#take(whole, null)
      this.#carry(whole, indexes)
    })
  }

  /**
   * What another node wants.
   * @throws {EngineError} ENGINE_ERR_WORD_UNTRUSTED, ENGINE_ERR_WORD_FOREIGN and what disks refuse.
   */
  async answer(request: TalkRequest, from: Caller): Promise<readonly TalkAnswer[]> {
    await this.#opening
    if (request.say === 'pull') return this.#newer(request.have, from)
    await this.#take(request.word, from.name)
    this.#carry(request.word, request.indexes)
    return [{ say: 'heard' }]
  }

  /** Words that another lacks, as far as they name it: those that one talk has room for, of each site the oldest. */
  #newer(have: Readonly<Record<string, number>>, { nodeId }: Caller): TalkAnswer[] {
    const words = this.#shelf.sites.flatMap((site) =>
      this.#shelf
        .of(site)
        .map(({ word }) => word)
        .filter((word) => word.revision > (have[site] ?? 0) && indexIn(word, nodeId) >= 0),
    )
    return answersOf(words)
  }

  /**
   * Keeps a word that is new, and acts on it unless the coordinator itself gave it.
   * @param via the node that gave it; null: the coordinator.
   * @returns whether it is new.
   */
  async #take(word: SignedWord, via: string | null): Promise<boolean> {
    await this.#opening
    const { ledger, log, nodeId } = this.#options
    const { site, revision, jobId } = word
    this.#check(word, via)
    if (revision <= this.#shelf.revisionOf(site) || !this.#shelf.hasRoom(site)) {
      // The same word may still be on its way to the disk: who says that it has heard it has it.
      if (via !== null) await this.#shelf.flush()
      return false
    }
    this.#givers.set(site, via)
    const written = this.#shelf.put(word, via === null)
    const facts = { site, revision, jobId, via: via ?? COORDINATOR, commands: word.commands.length }
    log[via === null ? 'debug' : 'info'](facts, 'a word came')
    await written
    await this.#acting.noteLive(site)
    if (via !== null && indexIn(word, nodeId) >= 0 && ledger.state.coordinatorId !== null) this.#act(site)
    return true
  }

  #check(word: SignedWord, via: string | null): void {
    const { site, revision } = word
    const facts = { site, revision, via: via ?? COORDINATOR }
    if (!this.#isTrusted(word)) throw new EngineError('ENGINE_ERR_WORD_UNTRUSTED', facts)
    if (via !== null && indexIn(word, this.#options.nodeId) < 0) throw new EngineError('ENGINE_ERR_WORD_FOREIGN', facts)
  }

  /** Whether its own coordinator has said exactly this. */
  #isTrusted(word: SignedWord): boolean {
    const { coordinatorId, publicKey } = this.#options.ledger.state
    return coordinatorId === word.coordinatorId && publicKey !== null && isWordSigned(word, publicKey)
  }

  /** Keeps the lists that were used last, as the coordinator remembers them of this connection. */
  #keepList(digest: string, servers: readonly WordServer[]): void {
    if (serversDigest(servers) !== digest) return
    this.#lists.delete(digest)
    this.#lists.set(digest, servers)
    const [oldest] = this.#lists.keys()
    if (this.#lists.size > WORD_LISTS_KEPT && oldest !== undefined) this.#lists.delete(oldest)
  }

  /** Approaches servers of a word's list, or those that this node has not seen to. */
  #carry(word: SignedWord, indexes: readonly number[]): void {
    const known = indexes.filter((index) => index < word.servers.length)
    const approaches = this.#carrying.take(word, known, indexIn(word, this.#options.nodeId))
    for (const approach of approaches) this.#errands.push({ ...approach, word })
    this.#goOn()
  }

  #goOn(): void {
    while (this.#call !== null && this.#begun < TALKS_BEGUN_MAX && !this.#closing.signal.aborted) {
      const errand = this.#errands.shift()
      if (errand === undefined) return
      this.#begun += 1
      this.#run(async () => {
        try {
          await this.#bring(errand)
        } finally {
          this.#begun -= 1
          this.#goOn()
        }
      })
    }
  }

  async #bring(errand: Errand): Promise<void> {
    const { log } = this.#options
    const { word, to, rest } = errand
    const peer = word.servers[to]
    if (peer === undefined) return
    const facts = { site: word.site, revision: word.revision, to: peer.name }
    try {
      const [answer] = (await this.#call?.(peer, { say: 'push', word, indexes: [...rest] })) ?? []
      if (answer?.say !== 'heard')
        throw new EngineError('ENGINE_ERR_TALK_FAILED', { peer: peer.name, why: said(answer) })
      log.info({ ...facts, others: rest.length }, 'a word was passed on')
    } catch (error) {
      log.info({ ...facts, err: toEngineError(error) }, 'a word was not taken')
      const next = this.#carrying.failed(errand)
      if (next !== null) this.#errands.unshift({ ...next, word })
    }
  }

  /** Once in a while: asks others when nobody tells it anything, and does what could not be done before. */
  #look(): void {
    const { clock, isConnected } = this.#options
    const nowMs = clock.monotonicMs()
    if (isConnected()) this.#seeking.found()
    else this.#seeking.lost(nowMs)
    const isAlone = this.#seeking.isAlone(nowMs)
    if (this.#shelf.hasUnwritten) this.#run(() => this.#shelf.flush())
    // What an earlier life kept may be overtaken: the coordinator, where it is there, says so at once.
    for (const site of this.#shelf.sites) if (isAlone || (this.#givers.get(site) ?? null) !== null) this.#act(site)
    const peer = this.#call === null ? null : this.#seeking.next(this.#peers(), nowMs)
    if (peer !== null) this.#run(() => this.#seek(peer))
  }

  async #seek(peer: WordServer): Promise<void> {
    let isNews = false
    try {
      const have = Object.fromEntries(this.#shelf.sites.map((site) => [site, this.#shelf.revisionOf(site)]))
      for (const answer of (await this.#call?.(peer, { say: 'pull', have })) ?? []) {
        if (answer.say === 'word' && (await this.#take(answer.word, peer.name))) isNews = true
      }
    } catch (error) {
      this.#options.log.debug({ err: toEngineError(error), peer: peer.name }, 'another node does not answer')
    } finally {
      this.#seeking.answered(isNews, this.#options.clock.monotonicMs())
    }
  }

  /** Whom it knows, by its newest words. */
  #peers(): WordServer[] {
    const { nodeId } = this.#options
    const all = this.#shelf.sites.flatMap((site) => this.#shelf.of(site).at(-1)?.word.servers ?? [])
    const byId = new Map(all.map((server) => [server.nodeId, server]))
    byId.delete(nodeId)
    return [...byId.values()]
  }

  #act(site: string): void {
    this.#run(() => this.#acting.act(site, ({ order }) => this.#noteVia(order, this.#givers.get(site) ?? null)))
  }

  #noteVia(order: Commit | Execute, via: string | null): string {
    if (via !== null) this.#via.set(executedKey(order), via)
    const [oldest] = this.#via.keys()
    if (this.#via.size > EXECUTED_KEPT_MAX && oldest !== undefined) this.#via.delete(oldest)
    return via ?? COORDINATOR
  }

  #run(work: () => Promise<void>): void {
    const running = work()
      .catch((error: unknown) => {
        if (!this.#closing.signal.aborted) this.#options.log.warn({ err: toEngineError(error) }, 'a word was not taken')
      })
      .finally(() => this.#background.delete(running))
    this.#background.add(running)
  }
}

const said = (answer: TalkAnswer | undefined): string =>
  answer?.say === 'refused' ? `${answer.code}: ${answer.message}` : 'it says nothing'
