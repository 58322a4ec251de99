import t from 'tap'
import { Pins } from '../../../src/node/pins.js'

t.test('a release is pinned until every pin is out, and taking one out twice takes out no other', async (t) => {
  const pins = new Pins()
  const [first, second] = [pins.add('www', 1), pins.add('www', 1)]
  pins.add('docs', 2)
  first()
  first()
  t.strictSame([...pins.of('www')], [1])
  second()
  t.strictSame([...pins.of('www')], [])
  t.strictSame([...pins.of('docs')], [2])
})
