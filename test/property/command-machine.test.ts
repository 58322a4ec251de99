// Goal: a queue takes the commands that fit, in order, and where a node stands with each of them does not depend on
// how often or in which order its receipts came. Method: requests, ends of commands and receipts that are lost, late or
// doubled, against a regular expression for the queue and, for the nodes, the set of what has arrived.
import fc from 'fast-check'
import t from 'tap'
import { EngineError } from '../../src/base/errors.js'
import { checkCommands, nextCommand } from '../../src/jobs/commands.js'
import type { CommandRequest, CommandState, JobCommand, Receipt } from '../../src/model/job.js'
import { commandsOnNodes } from '../../src/track/commands.js'
import { jobCommands, jobNode } from '../support/records.js'

const letters = {
  ...{ publish: 'p', commit: 'c', rollback: 'r', 'run-hook': 'h', verify: 'h', 'end-job': 'e' },
  ...{ put: 'w', mkdir: 'w', remove: 'w', 'set-properties': 'w' },
} as const
/** All queues there can be: what is published is committed before anything else is brought; the end is last. */
const sound = /^(?:[rh]|ph*c|w[wh]*c)*(?:ph*|w[wh]*|e)?$/
const nodeNames = ['n0', 'n1', 'n2'] as const

interface Model {
  /** One letter a command. */
  queue: string
  /** How many of them are over. */
  over: number
  /** What has arrived, as `node number kind`. */
  readonly arrived: Set<string>
  /** What nodes have sent so far. */
  readonly sent: string[]
}

interface Real {
  commands: readonly JobCommand[]
  /** As they were recorded: in the order in which they came, doubles too. */
  readonly receipts: Receipt[]
}

type Step = fc.Command<Model, Real>

class Asks implements Step {
  readonly requests: readonly CommandRequest[]

  constructor(requests: readonly CommandRequest[]) {
    this.requests = requests
  }

  check = (): boolean => true

  run(model: Model, real: Real): void {
    const queue = model.queue + this.requests.map(({ type }) => letters[type]).join('')
    let isTaken = true
    try {
      checkCommands(real.commands, this.requests)
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== 'ENGINE_ERR_INVALID_ARGUMENT') throw error
      isTaken = false
    }
    if (isTaken !== sound.test(queue)) throw new Error(`${queue} was ${isTaken ? 'taken' : 'refused'}`)
    if (!isTaken) return
    model.queue = queue
    const first = real.commands.length + 1
    const added = jobCommands(this.requests).map((each) => ({ ...each, number: first + each.number - 1 }))
    real.commands = [...real.commands, ...added]
  }

  toString = (): string => `ask ${this.requests.map(({ type }) => type).join(' ')}`
}

class Ends implements Step {
  readonly state: CommandState

  constructor(state: 'completed' | 'failed') {
    this.state = state
  }

  check = ({ queue, over }: Readonly<Model>): boolean => over < queue.length

  run(model: Model, real: Real): void {
    const next = nextCommand(real.commands)
    if (next?.number !== model.over + 1) throw new Error(`${next?.number} is next, ${model.over} are over`)
    model.over += 1
    real.commands = real.commands.map((each) => (each === next ? { ...each, state: this.state } : each))
  }

  toString = (): string => `end ${this.state}`
}

const kinds = ['receipt', 'failure', 'completion'] as const

class Sends implements Step {
  readonly node: number
  readonly kind: Receipt['kind']

  constructor(node: number, kind: Receipt['kind']) {
    this.node = node
    this.kind = kind
  }

  check = ({ queue }: Readonly<Model>): boolean => queue.length > 0

  /** About the command at work; what arrives of it, and when, others decide. */
  run({ sent, queue, over }: Model): void {
    sent.push(`${nodeNames[this.node]} ${Math.min(over + 1, queue.length)} ${this.kind}`)
  }

  toString = (): string => `${nodeNames[this.node]} says ${this.kind}`
}

class Arrives implements Step {
  readonly which: number

  constructor(which: number) {
    this.which = which
  }

  check = ({ sent }: Readonly<Model>): boolean => sent.length > 0

  run(model: Model, real: Real): void {
    const said = model.sent[this.which % model.sent.length] ?? ''
    model.arrived.add(said)
    const [node = '', number = '', kind = ''] = said.split(' ')
    real.receipts.push(receiptOf(real, node, Number(number), kind as Receipt['kind']))
    same(model, real)
  }

  toString = (): string => `arrival ${this.which}`
}

function receiptOf({ commands }: Real, node: string, number: number, kind: Receipt['kind']): Receipt {
  const command = commands[number - 1]?.request.type ?? 'publish'
  const error = kind === 'failure' ? { code: 'ENGINE_ERR_IO', message: 'no', hint: 'none' } : null
  const who = { jobId: 'j', number, commandId: 'c', site: 'www', nodeId: node, nodeName: node, command, kind }
  const times = { atMs: 1, recordedAtMs: 2, bytesFetched: 0 }
  return { ...who, ...times, release: null, treeHash: null, output: null, error, signature: null, publicKey: null }
}

/** Done is done; a failure is one until it is done; anything else that was heard means that it is at it. */
function standing({ arrived }: Model, node: string, number: number): CommandState {
  if (arrived.has(`${node} ${number} completion`)) return 'completed'
  if (arrived.has(`${node} ${number} failure`)) return 'failed'
  return arrived.has(`${node} ${number} receipt`) ? 'in-progress' : 'new'
}

function same(model: Model, { commands, receipts }: Real): void {
  const nodes = nodeNames.map((name) => jobNode({ nodeId: name, name }))
  for (const command of commands.filter(({ request }) => letters[request.type] === 'h')) {
    for (const { name, state } of commandsOnNodes({ nodes, commands }, command, receipts)) {
      const told = standing(model, name, command.number)
      if (state !== told) throw new Error(`command ${command.number} is ${state} on ${name}, by what arrived ${told}`)
    }
  }
}

const request = fc.constantFrom<CommandRequest>(
  { type: 'publish', directory: '/d', upload: null },
  { type: 'commit' },
  { type: 'rollback', release: null },
  { type: 'run-hook', hook: 'h', args: {} },
  { type: 'verify', release: null, rateBps: null, repair: false },
  { type: 'remove', path: 'a', recursive: true },
  { type: 'end-job' },
)
const steps = [
  fc.array(request, { minLength: 1, maxLength: 3 }).map((requests): Step => new Asks(requests)),
  fc.constantFrom<Step>(new Ends('completed'), new Ends('failed')),
  fc.tuple(fc.nat(nodeNames.length - 1), fc.constantFrom(...kinds)).map(([node, kind]): Step => new Sends(node, kind)),
  fc.nat(50).map((which): Step => new Arrives(which)),
  fc.nat(50).map((which): Step => new Arrives(which)),
]

t.test('a queue takes what fits and nodes stand where what arrived says, in any order', async (t) => {
  let longest = 0
  fc.assert(
    fc.property(fc.commands(steps, { maxCommands: 80, size: 'max' }), (commands) => {
      const model: Model = { queue: '', over: 0, arrived: new Set(), sent: [] }
      fc.modelRun(() => ({ model, real: { commands: [], receipts: [] } }), commands)
      longest = Math.max(longest, model.queue.length)
    }),
    { numRuns: 1500 },
  )
  t.ok(longest > 10, `no queue was longer than ${longest}`)
})
