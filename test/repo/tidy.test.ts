// Goal: files and functions stay small enough to be read at once, names and words are those we agreed on.
// Method: the sources are measured as text; each finding names its file and line, so that it can be mended.
import t from 'tap'
import {
  cppFunctions,
  filesBelow,
  type FunctionSpan,
  read,
  rustFunctions,
  withoutTests,
} from '../support/repository.js'

const FUNCTION_LINES_MAX = 70
const FILE_LINES_MAX = 400
const RUST_FILE_LINES_MAX = 500
const INLINE_TEST_LINES_MAX = 150
const TYPESCRIPT_COLUMNS_MAX = 120
const NATIVE_COLUMNS_MAX = 100

const typescript = ['src', 'workers', 'test', 'bench', 'tools'].flatMap((folder) => filesBelow(folder, /\.(ts|mjs)$/))
const rust = filesBelow('native', /\.rs$/)
const product = rust.filter((path) => !/\/(tests|benches|examples)\/|\/tests\.rs$/.test(path))
const cpp = filesBelow('native', /\.(cc|h)$/)

/** Lines of code; blank lines at the end do not count. */
const lineCount = (text: string): number => text.trimEnd().split('\n').length

const tooLong = (path: string, spans: readonly FunctionSpan[]): string[] =>
  spans
    .filter((one) => one.lineCount > FUNCTION_LINES_MAX)
    .map((one) => `${path}:${one.line} ${one.name} has ${one.lineCount} lines`)

t.test('the sources are found', async (t) => {
  t.ok(typescript.length > 20, 'TypeScript')
  t.ok(product.length > 10, 'Rust')
  t.ok(cpp.length > 0, 'C++')
})

t.test('no file is longer than one can keep in mind', async (t) => {
  const long = [...typescript, ...cpp].filter((path) => lineCount(read(path)) > FILE_LINES_MAX)
  t.same(long, [])
  // What remains of a test module is blank: only lines with something on them are counted to the last.
  t.same(
    product.filter((path) => lineCount(withoutTests(read(path))) > RUST_FILE_LINES_MAX),
    [],
  )
})

t.test('tests that are long stand in a file of their own', async (t) => {
  const testLines = (path: string): number => {
    const source = read(path)
    const kept = withoutTests(source).split('\n')
    return source.split('\n').filter((line, index) => line.trim() !== '' && kept[index]?.trim() === '').length
  }
  t.same(
    product.filter((path) => testLines(path) > INLINE_TEST_LINES_MAX),
    [],
  )
})

t.test('no function is longer than a screen', async (t) => {
  t.same(
    product.flatMap((path) => tooLong(path, rustFunctions(withoutTests(read(path))))),
    [],
  )
  t.same(
    cpp.flatMap((path) => tooLong(path, cppFunctions(read(path)))),
    [],
  )
})

t.test('no line is wider than the page', async (t) => {
  const wide = (paths: readonly string[], columns: number): string[] =>
    paths.flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line, index) => ([...line].length > columns ? [`${path}:${index + 1}`] : [])),
    )
  t.same(wide(typescript, TYPESCRIPT_COLUMNS_MAX), [])
  t.same(wide([...rust, ...cpp], NATIVE_COLUMNS_MAX), [])
})

t.test('no name says nothing', async (t) => {
  const banned = /(^|[-_./])(utils?|helpers?|misc|common|shared|managers?|handlers?|base-class)([-_./]|$)/
  t.same(
    [...typescript, ...rust, ...cpp].filter((path) => banned.test(path)),
    [],
  )
})

t.test('what is left to do names its issue, and words have one form', async (t) => {
  const words: readonly (readonly [RegExp, string])[] = [
    [/\b(TODO|FIXME|XXX|HACK)\b(?!.*#\d+)/, 'needs the number of an issue'],
    [/\b(bitfield|Bitfield)\b/, 'is called have-map'],
    [/\b(retransmit|Retransmit)\w*/, 'is called repair'],
    [/\b(basis|Basis)\b/, 'is called base'],
  ]
  const self = 'test/repo/tidy.test.ts'
  const found = [...typescript, ...rust, ...cpp]
    .filter((path) => path !== self)
    .flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line, index) =>
          words.flatMap(([word, why]) => {
            const match = word.exec(line)
            return match === null ? [] : [`${path}:${index + 1} ${match[0]} ${why}`]
          }),
        ),
    )
  t.same(found, [])
})

t.test('the measures themselves measure', async (t) => {
  const body = 'x;\n'.repeat(80)
  t.match(rustFunctions(`fn long(a: [u8; 3]) -> u8 {\n${body}}\nfn short() {}\n`), [
    { name: 'long', lineCount: 82 },
    {},
  ])
  t.match(rustFunctions('// fn no() {\nfn yes() { "}" }'), [{ name: 'yes', line: 2, lineCount: 1 }])
  t.equal(rustFunctions('fn a() { let c = \'{\'; let s = r#"}"#; }\nfn b() {}').length, 2)
  t.match(cppFunctions(`int a::long(int b) const {\n${body}}\n`), [{ name: 'a::long', lineCount: 82 }])
  t.same(cppFunctions('\nif (a) {\n}\n'), [])
  t.equal(withoutTests('fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\n').trim(), 'fn a() {}')
})
