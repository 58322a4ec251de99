// Goal: places, modes and times as people write them are what goes to the coordinator, or are refused by name.
// Method: the readers alone.
import t from 'tap'
import { sitePlaceOf } from '../../../src/cli/commands/files.js'
import { modeOf, timeNsOf } from '../../../src/cli/commands/writing.js'

const invalid = { code: 'ENGINE_ERR_INVALID_ARGUMENT' }

t.test('a place to write to is a site and a path, and never a node', async (t) => {
  t.same(sitePlaceOf(':/www/a b/c'), { site: 'www', path: 'a%20b/c' })
  t.same(sitePlaceOf(':/www/'), { site: 'www', path: '' })
  t.throws(() => sitePlaceOf('n1:/www/a'), { code: 'ENGINE_ERR_EDIT_OF_NODE', hint: /:\/www\/a$/ })
  for (const text of ['www/a', '/www/a', ':/www@3/a', '::/a', '']) t.throws(() => sitePlaceOf(text), invalid, text)
})

t.test('modes are octal, up to all permissions', async (t) => {
  for (const text of ['0', '644', '0644', '777']) t.equal(modeOf(text), text)
  for (const text of ['u+x', '888', '1777', '4755', '', '-1']) t.throws(() => modeOf(text), invalid, text)
})

t.test('a time is a date, or seconds since 1970 to the nanosecond', async (t) => {
  t.equal(timeNsOf('2023-11-14T22:13:20Z'), '1700000000000000000')
  t.equal(timeNsOf('@1700000000.000000001'), '1700000000000000001')
  t.equal(timeNsOf('@-1'), '-1000000000')
  for (const text of ['now', '5', '@', '@1.', '2023-13-45', '']) t.throws(() => timeNsOf(text), invalid, text)
})
