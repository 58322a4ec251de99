// Goal: the middle one is right whatever came and went. Method: random numbers, checked against a sorted list.
import fc from 'fast-check'
import t from 'tap'
import { Middle } from '../../../src/plan/middle.js'
import { medianOf } from '../../../src/plan/strategies/slots.js'

const anyValue = fc.constantFrom(0.1, 0.5, 1, 1, 2, 4)

t.test('it is the median of those that are there, whatever came and went', async (t) => {
  const anyMove = fc.record({ comes: fc.boolean(), value: anyValue })
  fc.assert(
    fc.property(fc.array(anyValue), fc.array(anyMove), (values, moves) => {
      const middle = new Middle(values)
      const there = [...values]
      for (const { comes, value } of moves) {
        if (comes) {
          middle.add(value)
          there.push(value)
        } else {
          middle.remove(value)
          if (there.includes(value)) there.splice(there.indexOf(value), 1)
        }
        if (middle.value !== medianOf(there)) return false
      }
      return true
    }),
  )
  t.pass()
})
