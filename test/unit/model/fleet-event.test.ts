// Goal: a pattern names the types it seems to name, and one that names none is found out. Method: examples, properties.
import fc from 'fast-check'
import t from 'tap'
import { fleetEventTypes, isTypePattern, jobEndTypes, matchesType } from '../../../src/model/fleet-event.js'

t.test('patterns name all, a family, or one type, with or without the prefix', async (t) => {
  t.ok(matchesType('*', 'engine.node.lost') && matchesType('engine.*', 'engine.node.lost'))
  t.ok(matchesType('job.*', 'engine.job.failed') && matchesType('engine.job.*', 'engine.job.failed'))
  t.ok(matchesType('job.failed', 'engine.job.failed'))
  t.notOk(matchesType('job.*', 'engine.node.lost') || matchesType('jo*', 'engine.job.failed'))
  t.notOk(matchesType('job', 'engine.job.failed') || matchesType('job.fail', 'engine.job.failed'))
})

t.test('every type and family is a pattern; a slip of the pen is none', async (t) => {
  for (const type of fleetEventTypes) t.ok(isTypePattern(type) && isTypePattern(type.replace(/\w+$/, '*')))
  for (const slip of ['', 'jobs.*', 'job.', '.*', 'job.*.*', 'engine', '**', 'job.faild', ' job.*'])
    t.notOk(isTypePattern(slip), slip)
  fc.assert(fc.property(fc.string(), (text) => !isTypePattern(`x${text}`)))
})

t.test('what ends a job is among the types', async (t) => {
  t.ok(jobEndTypes.every((type) => fleetEventTypes.includes(type)))
})
