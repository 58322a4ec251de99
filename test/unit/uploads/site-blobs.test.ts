// Goal: a content has one size, whatever a manifest or an edit says. Method: the room on a real directory.
import { Readable } from 'node:stream'
import t from 'tap'
import { digestOf, manifestOf, openRoom } from '../../support/uploads.js'

const body = (text: string): Readable => Readable.from([Buffer.from(text)])
const alpha = digestOf('alpha')

t.test('who says another size of a content that is here is told so, and nothing is complete by it', async (t) => {
  const room = await openRoom(t.testdir({}))
  const early = await room.create(
    'www',
    body(manifestOf({ 'a.txt': 'alpha' }).replace('"sizeBytes":5', '"sizeBytes":6')),
  )
  await room.putContent('www', body('alpha'))
  const wrong = { code: 'ENGINE_ERR_INVALID_ARGUMENT', message: /it has 5 bytes, not 6/ }
  await t.rejects(room.complete(early.id), wrong)
  await t.rejects(room.begin(room.paths.upload('www', early.id)), wrong, 'nor is it packed')
  const late = manifestOf({ 'b.txt': 'alpha' }).replace('"sizeBytes":5', '"sizeBytes":4')
  await t.rejects(room.create('www', body(late)), { code: 'ENGINE_ERR_INVALID_ARGUMENT', message: /5 bytes, not 4/ })
  t.equal(room.list().length, 1, 'it is not opened')
  await t.rejects(room.touchContent('www', alpha, 6), wrong, 'nor may an edit say so')
  await room.touchContent('www', alpha, 5)
})
