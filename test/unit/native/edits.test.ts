// Goal: edits of a tree come to what the same operations come to in a plain model of one; one that cannot be names its
// place and leaves nothing. Method: random edits over few names, so that they meet; real addon, trees as text.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import type { EditRequest } from '../../../src/model/edit.js'
import { blake3 } from '../../../src/native/keys.js'
import { checkEdits, editTree, readManifest, type TreeEdit, writeManifest } from '../../../src/native/uploads.js'

interface Entry {
  readonly path: string
  readonly kind: 'dir' | 'file' | 'link'
  readonly mode?: string
  readonly mtimeNs: string
  readonly sizeBytes?: number
  readonly digest?: string
  readonly target?: string
}
type Model = Map<string, Entry>

const nothing = blake3(new Uint8Array())
const contents = ['one', 'two', 'three'].map((text) => ({ digest: blake3(Buffer.from(text)), sizeBytes: text.length }))
const base: readonly Entry[] = [
  { path: '', kind: 'dir', mode: '755', mtimeNs: '1' },
  { path: 'a', kind: 'dir', mode: '750', mtimeNs: '2' },
  { path: 'a-b', kind: 'file', mode: '600', mtimeNs: '3', sizeBytes: 0, digest: nothing },
  { path: 'a/c', kind: 'dir', mode: '755', mtimeNs: '4' },
  { path: 'a/c/d', kind: 'file', mode: '640', mtimeNs: '5', ...contents[0] },
  { path: 'b', kind: 'link', mtimeNs: '6', target: 'a' },
  { path: 'c', kind: 'file', mode: '644', mtimeNs: '7', ...contents[1] },
]

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))
const above = (path: string): string[] => {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

/** What an edit does, said as simply as can be; throws where it cannot. */
function apply(model: Model, edit: TreeEdit): void {
  const { path, atNs } = edit
  const note = (at: string): void => {
    const parent = model.get(parentOf(at))
    if (parent) model.set(parent.path, { ...parent, mtimeNs: atNs })
  }
  const add = (entry: Entry): void => {
    note(entry.path)
    model.set(entry.path, entry)
  }
  for (const each of above(path)) {
    if (!model.has(each) && 'parents' in edit && edit.parents)
      add({ path: each, kind: 'dir', mode: '755', mtimeNs: atNs })
    if (model.get(each)?.kind !== 'dir') throw new Error(`${each} is in the way`)
  }
  const found = model.get(path)
  switch (edit.type) {
    case 'put': {
      const { digest, sizeBytes, mode, mtimeNs } = edit
      if (found && found.kind !== 'file') throw new Error('it is no file')
      const entry = {
        path,
        kind: 'file',
        mode: mode ?? found?.mode ?? '644',
        mtimeNs: mtimeNs ?? atNs,
        sizeBytes,
        digest,
      } as const
      return found ? void model.set(path, entry) : add(entry)
    }
    case 'mkdir':
      if (found?.kind === 'dir' && edit.parents) return
      if (found) throw new Error('it is there')
      return add({ path, kind: 'dir', mode: edit.mode ?? '755', mtimeNs: atNs })
    case 'set-properties': {
      const { mode, mtimeNs, create } = edit
      if (!found && create) {
        return add({ path, kind: 'file', mode: mode ?? '644', mtimeNs: mtimeNs ?? atNs, sizeBytes: 0, digest: nothing })
      }
      if (!found || (found.kind === 'link' && mode !== null)) throw new Error('it cannot have these')
      const kept = found.mode === undefined ? {} : { mode: mode ?? found.mode }
      return void model.set(path, { ...found, ...kept, mtimeNs: mtimeNs ?? found.mtimeNs })
    }
    case 'remove':
      if (!found || path === '' || (found.kind === 'dir' && !edit.recursive)) throw new Error('it cannot go')
      for (const each of [...model.keys()]) if (each === path || each.startsWith(`${path}/`)) model.delete(each)
      note(path)
  }
}

const path = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'a-b'), { maxLength: 4 }).map((parts) => parts.join('/'))
const mode = fc.option(fc.constantFrom('600', '644', '755', '0', '777'), { nil: null })
const mtimeNs = fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String), { nil: null })
const atNs = fc.integer({ min: 100, max: 999 }).map(String)
const edit: fc.Arbitrary<TreeEdit> = fc.oneof(
  fc
    .record({ path, mode, mtimeNs, atNs, parents: fc.boolean(), content: fc.constantFrom(...contents) })
    .map(({ content, ...rest }) => ({ type: 'put' as const, ...rest, ...content })),
  fc.record({ type: fc.constant('mkdir' as const), path, mode, atNs, parents: fc.boolean() }),
  fc.record({ type: fc.constant('set-properties' as const), path, mode, mtimeNs, atNs, create: fc.boolean() }),
  fc.record({ type: fc.constant('remove' as const), path, atNs, recursive: fc.boolean() }),
)

const linesOf = (entries: Iterable<Entry>): string => [...entries].map((entry) => `${JSON.stringify(entry)}\n`).join('')
const sorted = (entries: readonly Entry[]): readonly Entry[] =>
  entries.toSorted((one, other) => (Buffer.from(one.path) < Buffer.from(other.path) ? -1 : 1))

t.test('edits come to what the same operations come to in a model', async (t) => {
  const place = t.testdir({})
  const at = (name: string): string => join(place, name)
  writeFileSync(at('text'), linesOf(base))
  await readManifest(at('text'), at('base'))
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 12 }), async (edits) => {
      const model: Model = new Map(base.map((entry) => [entry.path, entry]))
      const wrong = edits.findIndex((each) => {
        try {
          apply(model, each)
          return false
        } catch {
          return true
        }
      })
      rmSync(at('out'), { force: true })
      const edited = editTree(at('base'), edits, at('out'))
      if (wrong !== -1) {
        const error = await edited.then(
          () => null,
          (caught: unknown) => caught as EngineError,
        )
        t.ok(error instanceof EngineError && /EDIT_REFUSED|PATH_UNKNOWN/.test(error.code), String(error))
        t.equal(error?.details['edit'], String(wrong))
        t.notOk(existsSync(at('out')))
        return
      }
      const { treeHash } = await edited
      await writeManifest(at('out'), at('after'))
      const lines = readFileSync(at('after'), 'utf8').trim().split('\n')
      const found = lines.map((line) => JSON.parse(line) as Entry)
      t.strictSame(found, sorted([...model.values()]))
      writeFileSync(at('text'), linesOf(model.values()))
      t.equal((await readManifest(at('text'), at('again'))).treeHash, treeHash, 'it is a tree by every rule')
    }),
    { numRuns: 300 },
  )
})

t.test('edits of nothing begin with an empty directory', async (t) => {
  const place = t.testdir({})
  const put: TreeEdit = {
    type: 'put',
    path: 'x/%FF',
    mode: null,
    mtimeNs: null,
    parents: true,
    atNs: '5',
    digest: nothing,
    sizeBytes: 0,
  }
  t.match(await editTree(null, [put], join(place, 'out')), { entryCount: 3, fileCount: 1 })
})

const remove = (escaped: string): EditRequest => ({ type: 'remove', path: escaped, recursive: true })

t.test('a path that leads outside, or is not in its plain form, is refused before anything is looked at', async (t) => {
  for (const bad of ['..', 'a/../../b', '/etc', 'a//b', 'a/', './a', '%2e%2e/x', '.']) {
    t.throws(() => checkEdits([remove(bad)]), { code: 'ENGINE_ERR_PATH_ESCAPES' }, bad)
  }
  for (const bad of ['a%2Fb', 'a%00', 'a%', '%zz']) {
    t.throws(() => checkEdits([remove(bad)]), { code: 'ENGINE_ERR_EDIT_REFUSED' }, bad)
  }
  for (const [bad, why] of [
    [`a/${'x'.repeat(256)}`, /a name in it is longer than 255 bytes/],
    ['x/'.repeat(2048), /it is longer than 4095 bytes/],
  ] as const) {
    t.throws(() => checkEdits([remove(bad)]), { code: 'ENGINE_ERR_EDIT_REFUSED', message: why })
  }
  t.doesNotThrow(() => checkEdits([remove('a/b%FF'), remove('...'), remove(''), remove('x'.repeat(255))]))
})

t.test('a few long paths do not make a tree that no memory holds', async (t) => {
  const place = t.testdir({})
  const mkdir = (first: number): TreeEdit => {
    return { type: 'mkdir', path: `${first}${'/d'.repeat(2040)}`, mode: null, parents: true, atNs: '5' }
  }
  const edits = Array.from({ length: 40 }, (_, index) => mkdir(index))
  await t.rejects(editTree(null, edits, join(place, 'out')), {
    code: 'ENGINE_ERR_EDIT_REFUSED',
    message: /more is added at once/,
    details: { edit: /^1\d$/ },
  })
  t.notOk(existsSync(join(place, 'out')))
  t.match(await editTree(null, edits.slice(0, 10), join(place, 'out')), { entryCount: 20_411 })
})

t.test('a content has one length, whoever says it', async (t) => {
  const place = t.testdir({})
  writeFileSync(join(place, 'text'), linesOf(base))
  await readManifest(join(place, 'text'), join(place, 'base'))
  const put = { type: 'put', mode: null, mtimeNs: null, parents: false, atNs: '5' } as const
  const lie: TreeEdit = { ...put, path: 'new', digest: contents[0]?.digest ?? '', sizeBytes: 99 }
  await t.rejects(editTree(join(place, 'base'), [lie], join(place, 'out')), {
    code: 'ENGINE_ERR_EDIT_REFUSED',
    details: { edit: '0', path: 'new' },
  })
  t.throws(() => checkEdits([{ ...put, path: 'x', digest: contents[0]?.digest ?? '', sizeBytes: 0 }]), {
    code: 'ENGINE_ERR_EDIT_REFUSED',
  })
})
