// Goal: what the kernel says of processes and the machine is read right. Method: lines as it writes them, and others.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { busyRatioOf, cpuSecondsOf, machineTimeOf } from '../../../src/bench/processor.js'

t.test('a process is told by its own time and the kernel’s for it, whatever it is called', async (t) => {
  const after = 'S 1 1 1 0 -1 4194560 1 2 3 4 250 50 7 8 20 0 11 0 100 1000 10'
  t.equal(cpuSecondsOf(`17 (node) ${after}`), 3)
  t.equal(cpuSecondsOf(`17 (a) (b) 9 9) ${after}`), 3)
  t.ok((cpuSecondsOf(readFileSync('/proc/self/stat', 'utf8')) ?? 0) > 0)
})

t.test('anything else says nothing', async (t) => {
  for (const text of ['', 'x', '17 (node) S', '17 (node']) t.equal(cpuSecondsOf(text), null, text)
})

t.test('a machine is busy by what is neither idle nor waiting', async (t) => {
  const before = machineTimeOf('cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2')
  t.same(before, { busyS: 2, totalS: 10 })
  const after = machineTimeOf('cpu  200 0 200 800 200 0 0 0 0 0\n')
  t.equal(busyRatioOf(before, after), 0.5)
  t.equal(busyRatioOf(before, before), 0)
  t.ok(machineTimeOf(readFileSync('/proc/stat', 'utf8')).totalS > 0)
})
