// Goal: a node says of each command one thing, the newest it knows, and never more than fits its message.
import fc from 'fast-check'
import t from 'tap'
import { NODE_STATE_COMMANDS_MAX } from '../../../src/base/ending-limits.js'
import { state } from '../../../src/control/schema/channel.js'
import { commandsOf } from '../../../src/node/state-answer.js'

const ref = fc.record({ jobId: fc.constantFrom('a', 'b'), number: fc.integer({ min: 1, max: 4 }) })
const executed = fc.record({
  jobId: fc.constantFrom('a', 'b'),
  number: fc.integer({ min: 1, max: 4 }),
  phase: fc.constantFrom('executing' as const, 'completion' as const, 'failure' as const),
  error: fc.constant(null),
})

t.test('every command is there once; what is under way is in progress, what only waits is new', async () => {
  fc.assert(
    fc.property(fc.array(executed), fc.array(ref), fc.array(ref), fc.array(ref), (over, waiting, staging, atWork) => {
      const known = { executed: over, waiting, staging: staging.map((each) => ({ ...each, bytesHave: 7 })), atWork }
      const told = commandsOf(known)
      const key = ({ jobId, number }: { jobId: string; number: number }): string => `${jobId}${number}`
      const keys = told.map(key)
      const isOnce = new Set(keys).size === keys.length
      const all = new Set([...over, ...waiting, ...staging, ...atWork].map(key))
      const underWay = new Set([...staging, ...atWork].map(key))
      const areRight = told.every((each) => {
        if (underWay.has(key(each))) return each.state === 'in-progress'
        return (each.state === 'new') === !over.some((one) => key(one) === key(each))
      })
      return isOnce && areRight && keys.length === all.size
    }),
  )
})

t.test('of too many, those that are over longest are left out, and the message is one that is taken', async (t) => {
  const phase = 'completion' as const
  const past = Array.from({ length: NODE_STATE_COMMANDS_MAX }, (_, i) => ({
    jobId: `j${i}`,
    number: 1,
    phase,
    error: null,
  }))
  const commands = commandsOf({ executed: past, waiting: [], staging: [], atWork: [{ jobId: 'now', number: 2 }] })
  t.equal(commands.length, NODE_STATE_COMMANDS_MAX)
  t.match(commands[0], { jobId: 'j1' })
  t.match(commands.at(-1), { jobId: 'now', state: 'in-progress' })
  const message = { type: 'state', queryId: '1', commands, sites: [] }
  t.equal(state.safeParse(message).success, true)
  const [one] = commands
  for (const wrong of [
    { ...message, commands: [...commands, one] },
    { ...message, queryId: 'x'.repeat(1000) },
    { ...message, commands: [{ ...one, state: 'done' }] },
    { ...message, commands: [{ ...one, number: 0 }] },
    { ...message, commands: [{ ...one, bytesHave: -1 }] },
    { type: 'state', queryId: '1' },
  ]) {
    t.equal(state.safeParse(wrong).success, false)
  }
})
