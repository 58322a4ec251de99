// Goal: which edits go into one release is a matter of their place in the queue alone. Method: queues in a word each.
import t from 'tap'
import { lastOfRun, pendingEdits } from '../../../src/model/edit.js'

const queue = (text: string) => text.split(' ').map((type, index) => ({ number: index + 1, request: { type } }))
const at = (text: string, number: number) => {
  const commands = queue(text)
  return lastOfRun(commands, commands[number - 1] ?? { number: 0, request: { type: '' } })
}

t.test('edits that follow one another are brought with the last of them', async (t) => {
  t.equal(at('put mkdir remove commit put', 1), 3)
  t.equal(at('put mkdir remove commit put', 3), 3)
  t.equal(at('put mkdir remove commit put', 5), 5)
  t.equal(at('put run-hook put', 1), 1)
  t.equal(at('publish put', 1), 1, 'what is no edit is by itself')
})

t.test('what is not committed goes into the next release, whatever came between', async (t) => {
  const pending = (text: string, through: number) => pendingEdits(queue(text), through).map(({ number }) => number)
  t.same(pending('put commit mkdir run-hook put remove', 5), [3, 5])
  t.same(pending('put commit mkdir', 1), [1])
  t.same(pending('publish commit put', 3), [3])
  t.same(pending('run-hook', 1), [])
})
