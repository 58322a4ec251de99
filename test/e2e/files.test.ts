// Goal: what a node has on disk can be listed, looked at and fetched from afar, whole or not at all, and nothing of the
// node beside its releases. Method: real processes; odd names, links, damage, a reader that breaks off, hostile paths.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmod,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import t from 'tap'
import { Fleet } from '../support/fleet.js'
import { run } from '../support/process.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-files-`)
await writeFile(`${directory}/coordinator.yaml`, 'coordinator:\n  repair: false\n')
const fleet = await Fleet.start(directory, 2)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})
const staging = `${directory}/staging`
const big = randomBytes(5_000_000)
const odd = Buffer.from([...Buffer.from(`${staging}/a/`), 0xff, 0x41])
await mkdir(`${staging}/a/b`, { recursive: true })
await mkdir(`${staging}/many`)
await writeFile(`${staging}/big`, big)
await writeFile(`${staging}/a/text`, 'content')
await writeFile(`${staging}/a/empty`, '')
await writeFile(`${staging}/a/b/100% done`, 'done')
await writeFile(odd, 'odd')
await symlink('../../../../identity.json', `${staging}/out`)
await symlink('a/text', `${staging}/in`)
for (let i = 0; i < 1500; i++) await writeFile(`${staging}/many/${i}`, '')
await chmod(`${staging}/a/text`, 0o640)
await utimes(`${staging}/a/text`, 1_700_000_000, 1_700_000_000.5)
const here = `${directory}/here`
await mkdir(here)
// Nothing is awaited between this and the tests: tap ends a file that asserted and has no test yet.
t.equal((await fleet.publish(staging)).code, 0, fleet.story())

const engine = (...args: readonly string[]) => fleet.engine(...args)
/** A request as it is written, which no client would send. */
async function raw(path: string, head = ''): Promise<string> {
  const { hostname, port } = new URL(fleet.url)
  const socket = connect(Number(port), hostname)
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${hostname}:${port}\r\nconnection: close\r\n${head}\r\n`)
  const parts: Buffer[] = []
  socket.on('data', (part: Buffer) => parts.push(part))
  await once(socket, 'close')
  return Buffer.concat(parts).toString('latin1')
}

t.test('a directory is listed as it is on disk, in pages that do not mix releases', async (t) => {
  const top = await engine('ls', 'n1:/www')
  t.equal(top.code, 0, top.stderr)
  t.strictSame(top.stdout.trim().split('\n'), [
    'a/',
    'big',
    'in -> a/text',
    'many/',
    'out -> ../../../../identity.json',
  ])
  t.equal((await engine('ls', 'n2:/www/many')).stdout.trim().split('\n').length, 1500)
  t.match((await engine('ls', '-l', 'n1:/www/a')).stdout, /-rw-r-----\s+7\s+2023-11-14T22:13:20.500Z\s+text/)
  t.match((await engine('ls', 'n1:/www/a')).stdout, /^%FFA$/m)
  t.equal((await engine('ls', 'n1:/www/a/b/100% done')).stdout, '100% done\n')
})

t.test('one path is told with what was published there', async (t) => {
  const told = await engine('stat', 'n1:/www/a/text', '--json')
  const { release, entry } = JSON.parse(told.stdout)
  t.match(
    { release, entry },
    { release: 1, entry: { kind: 'file', mode: '640', sizeBytes: 7, digest: /^[0-9a-f]{64}$/ } },
  )
  t.equal(JSON.parse((await engine('stat', 'n1:/www/out', '--json')).stdout).entry.target, '../../../../identity.json')
  await writeFile(`${fleet.liveOf('n2')}/a/text`, 'changed')
  t.equal(JSON.parse((await engine('stat', 'n2:/www/a/text', '--json')).stdout).entry.digest, null)
})

t.test('a file comes with its bytes, mode and time, and only once', async (t) => {
  const got = await engine('get', 'n1:/www/a/text', here)
  t.equal(got.code, 0, got.stderr)
  t.equal(await readFile(`${here}/text`, 'utf8'), 'content')
  const found = await stat(`${here}/text`)
  t.equal(found.mode & 0o777, 0o640)
  t.equal(found.mtimeMs, 1_700_000_000_500)
  t.match((await engine('get', 'n1:/www/a/text', here)).stdout, /^0 fetched .*1 were here/)
  t.equal((await engine('get', 'n1:/www/a/b/100% done', '-')).stdout, 'done')
  t.equal((await engine('get', 'n1:/www/a/empty', here)).code, 0)
  t.equal((await stat(`${here}/empty`)).size, 0)
  t.equal((await engine('get', 'n2:/www/a/text', '-')).stdout, 'changed', 'what it really serves')
})

t.test('a file that broke off is gone on with, not begun again', async (t) => {
  const { entry } = JSON.parse((await engine('stat', 'n1:/www/big', '--json')).stdout)
  const part = `${here}/big.${entry.digest.slice(0, 40)}.part`
  await writeFile(part, big.subarray(0, 4_000_000))
  const got = await engine('get', 'n1:/www/big', here, '--json')
  t.equal(JSON.parse(got.stdout).bytes, 1_000_000)
  t.ok((await readFile(`${here}/big`)).equals(big))
  t.strictSame(
    (await readdir(here)).filter((name) => name.includes('.part')),
    [],
  )
})

t.test('what is not what was published is put aside', async (t) => {
  const live = `${fleet.liveOf('n2')}/big`
  await run('cp', ['-p', live, `${directory}/before`])
  const file = await open(live, 'r+')
  await file.write('X', 1000)
  await file.close()
  await run('touch', ['-r', `${directory}/before`, live])
  const place = `${here}/damaged`
  const got = await engine('get', 'n2:/www/big', place)
  t.equal(got.code, 8, got.stderr)
  t.match(got.stderr, /ENGINE_ERR_FILE_DAMAGED/)
  await t.rejects(stat(place), { code: 'ENOENT' })
  t.ok(await stat(`${place}.damaged`))
})

t.test('a whole tree comes with its links, odd names and times', async (t) => {
  const got = await engine('get', '-r', 'n1:/www@1', `${here}/tree`)
  t.equal(got.code, 0, got.stderr)
  t.equal((await readdir(`${here}/tree/many`)).length, 1500)
  t.equal(await readlink(`${here}/tree/out`), '../../../../identity.json')
  t.strictSame(
    (await readdir(`${here}/tree/a`, { encoding: 'buffer' })).map((name) => name.toString('latin1')).sort(),
    ['b', 'empty', 'text', '\xffA'],
  )
  t.equal((await stat(`${here}/tree/a`)).mtimeMs.toFixed(0), (await stat(`${staging}/a`)).mtimeMs.toFixed(0))
})

t.test('over HTTP a file has ranges and a name for its bytes, and no browser takes it for a page', async (t) => {
  const url = `${fleet.url}/v1/nodes/n1/files/www/big`
  const part = await fetch(url, { headers: { range: 'bytes=10-19' } })
  t.equal(part.status, 206)
  t.equal(part.headers.get('content-range'), 'bytes 10-19/5000000')
  t.equal(part.headers.get('content-security-policy'), "sandbox; default-src 'none'")
  t.ok(Buffer.from(await part.arrayBuffer()).equals(big.subarray(10, 20)))
  const etag = part.headers.get('etag') ?? ''
  t.equal((await fetch(url, { headers: { range: 'bytes=0-1', 'if-range': etag } })).status, 206)
  t.equal((await fetch(url, { headers: { range: 'bytes=0-1', 'if-range': '"other"' } })).status, 200)
  const beyond = await fetch(url, { headers: { range: 'bytes=5000000-' } })
  t.match([beyond.status, beyond.headers.get('content-range')], [416, 'bytes */5000000'])
  const head = await fetch(url, { method: 'HEAD' })
  t.match([head.status, head.headers.get('content-length'), head.headers.get('etag')], [200, '5000000', etag])
  t.equal((await fetch(url, { headers: { 'if-none-match': etag } })).status, 304)
  const all = await Promise.all(
    Array.from({ length: 6 }, async () => Buffer.from(await (await fetch(url)).arrayBuffer())),
  )
  t.ok(
    all.every((each) => each.equals(big)),
    'several at once',
  )
})

t.test('nothing of a node but its releases is reached', async (t) => {
  for (const path of [
    '..',
    '../..',
    '../../../identity.json',
    '%2e%2e/%2e%2e/trees/1.tree',
    'a/./text',
    'a//text',
    '/etc/passwd',
  ]) {
    const answer = await raw(`/v1/nodes/n1/files/www/${path}`)
    t.match(answer, /^HTTP\/1.1 4\d\d .*ENGINE_ERR_(PATH_ESCAPES|INVALID_ARGUMENT|ROUTE_UNKNOWN)/s, path)
  }
  for (const path of ['out/x', 'in/x'])
    t.match(await raw(`/v1/nodes/n1/files/www/${path}`), /ENGINE_ERR_PATH_(ESC|UNK)/)
  t.match(await raw('/v1/nodes/n1/files/www/out'), /ENGINE_ERR_NOT_A_FILE/)
  t.match(await raw('/v1/nodes/n1/files/www/a%2Ftext'), /ENGINE_ERR_INVALID_ARGUMENT/)
  t.match(await raw('/v1/nodes/n1/files/www/%00'), /ENGINE_ERR_INVALID_ARGUMENT/)
  t.match(await raw('/v1/nodes/n1/files/www/%c0%ae%c0%ae'), /ENGINE_ERR_PATH_UNKNOWN/)
  t.match(await raw('/v1/nodes/n1/files/www/a/%FFA'), /\r\n\r\nodd$/)
  t.match(await raw('/v1/nodes/n1/files/../a'), /ENGINE_ERR_/)
  t.match(await raw('/v1/nodes/n1/files/www/a?release=0'), /ENGINE_ERR_INVALID_ARGUMENT/)
  t.match(await raw('/v1/nodes/n1/files/www/a?release=99'), /ENGINE_ERR_RELEASE_UNKNOWN/)
  t.match(await raw('/v1/nodes/n1/files/other/a'), /ENGINE_ERR_SITE_UNKNOWN/)
  t.match(await raw('/v1/nodes/none/files/www/a'), /ENGINE_ERR_NODE_UNKNOWN/)
  const put = await fetch(`${fleet.url}/v1/transfers/${'a'.repeat(32)}`, { method: 'PUT', body: 'x' })
  t.equal(put.status, 404)
})

t.test('what is asked wrongly is refused with the way out', async (t) => {
  t.equal((await engine('ls', 'www/a')).code, 2)
  t.equal((await engine('ls', 'n9:/www')).code, 3)
  t.equal((await engine('ls', 'n1:/www/none')).code, 3)
  t.equal((await engine('get', 'n1:/www/a', here)).code, 2)
  t.equal((await engine('get', 'n1:/www/out', here)).code, 2)
  await fleet.stop('n2', 'SIGTERM')
  t.equal((await engine('ls', 'n2:/www')).code, 7)
})

t.test('a reader that goes away costs nothing that lasts', async (t) => {
  for (let i = 0; i < 20; i++) {
    const gone = new AbortController()
    const answer = await fetch(`${fleet.url}/v1/nodes/n1/files/www/big`, { signal: gone.signal })
    await answer.body?.getReader().read()
    gone.abort()
  }
  const got = await (await fetch(`${fleet.url}/v1/nodes/n1/files/www/big`)).arrayBuffer()
  t.equal(createHash('sha256').update(Buffer.from(got)).digest('hex'), createHash('sha256').update(big).digest('hex'))
})
