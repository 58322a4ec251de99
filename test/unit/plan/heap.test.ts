// Goal: the heap gives its items back in order. Method: numbers in and out, ties and emptiness.
import t from 'tap'
import { Heap } from '../../../src/plan/heap.js'

t.test('items come out least first', async (t) => {
  const heap = new Heap<number>((a, b) => a < b)
  for (const item of [5, 3, 9, 1, 4, 1, 8]) heap.push(item)
  t.same(
    Array.from({ length: 7 }, () => heap.pop()),
    [1, 1, 3, 4, 5, 8, 9],
  )
})

t.test('an empty heap gives nothing, and can be filled again', async (t) => {
  const heap = new Heap<number>((a, b) => a < b)
  t.equal(heap.pop(), undefined)
  heap.push(2)
  t.equal(heap.pop(), 2)
  t.equal(heap.pop(), undefined)
})
