// Goal: single files of a site are written from afar as on a disk of one's own, on every node at once; what broke off
// is gone on with, and what cannot be changes nothing. Method: real processes, disks compared byte for byte.
import { createHash, randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import { Fleet } from '../support/fleet.js'
import { run, runEngine, startEngine } from '../support/process.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-writing-`)
const fleet = await Fleet.start(directory, 2)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})
const staging = `${directory}/staging`
await mkdir(`${staging}/a`, { recursive: true })
await writeFile(`${staging}/large`, randomBytes(3_000_000))
await writeFile(`${staging}/a/text`, 'before')
await chmod(`${staging}/a/text`, 0o640)
for (let i = 0; i < 6; i++) await writeFile(`${staging}/a/${i}`, `${i}`)
await symlink('a', `${staging}/to-a`)
/** What should be on both nodes: the same edits, done on a disk of one's own. */
const mirror = `${directory}/mirror`
await run('cp', ['-a', staging, mirror])
t.equal((await fleet.publish(staging)).code, 0, fleet.story())

const engine = (...args: readonly string[]) => fleet.engine(...args)

/** Names, kinds, modes, bytes and times of files, of a tree. */
const listing = (root: string): Promise<string> =>
  run('bash', [
    '-c',
    `cd "$1" && find . -printf '%P %y %m %l\\n' | sort; find . -type f -printf '%P %T@ ' -exec sha256sum {} \\; | sort`,
    'bash',
    `${root}/.`,
  ])
async function same(t: { equal(a: unknown, b: unknown, what: string): unknown }, what: string): Promise<void> {
  const wanted = await listing(mirror)
  for (const node of ['n1', 'n2']) t.equal(await listing(fleet.liveOf(node)), wanted, `${what} on ${node}`)
}

t.test('put, mkdir, chmod, touch and rm do on every node what they do on a disk', async (t) => {
  const file = `${directory}/new file`
  await writeFile(file, randomBytes(2_000_003), { mode: 0o600 })
  await utimes(file, 1_600_000_000, 1_600_000_000.25)
  const steps: readonly (readonly [readonly string[], string])[] = [
    [['put', file, ':/www/x/y/', '--parents'], 'mkdir -p x/y && cp -p "$F" "x/y/new file"'],
    [['put', file, ':/www/a/text', '--mode', '444'], 'chmod u+w a/text && cp -p "$F" a/text && chmod 444 a/text'],
    [['mkdir', '-p', ':/www/d/e', ':/www/a'], 'mkdir -p d/e'],
    [['mkdir', '--mode', '700', ':/www/d/f'], 'mkdir -m 700 d/f'],
    [['chmod', '600', ':/www/a/1', ':/www/large'], 'chmod 600 a/1 large'],
    [
      ['touch', '--date', '2020-01-02T03:04:05Z', ':/www/a/1', ':/www/d/none'],
      'touch -d 2020-01-02T03:04:05Z a/1 d/none',
    ],
    [['rm', ':/www/a/2', ':/www/to-a'], 'rm a/2 to-a'],
    [['rm', '-r', ':/www/d/e'], 'rm -r d/e'],
  ]
  for (const [args, local] of steps) {
    const done = await engine(...args)
    t.equal(done.code, 0, `${args.join(' ')}: ${done.stderr}${fleet.story()}`)
    t.match(done.stdout, /live on 2\/2 nodes/, args.join(' '))
    await run('bash', ['-c', `set -e; umask 022; cd "$1"; F="$2"; ${local}`, 'bash', mirror, file])
    await same(t, args.join(' '))
  }
  const again = await engine('put', file, ':/www/a/text', '--mode', '444', '--exit-code-on-noop')
  t.equal(again.code, 9, 'the same file again is no change')
  t.equal((await engine('verify', '-s', 'www')).code, 0)
})

t.test('standard input of any length is put, and what is staged waits for its commit', async (t) => {
  const bytes = randomBytes(5_000_000)
  await writeFile(`${directory}/stdin`, bytes)
  const args = ['put', '-', ':/www/from-stdin', '--stage-only', '--detach', '--url', fleet.url]
  const asked = await runEngine(args, { under: ['bash', '-c', `cat "${directory}/stdin" | exec "$@"`, 'bash'] })
  t.equal(asked.code, 0, asked.stderr)
  await until('it is staged', async () =>
    /"state":"staged"/.test((await engine('job', 'show', asked.stdout.trim(), '--json')).stdout),
  )
  await same(t, 'nothing has switched')
  t.equal((await engine('commit', asked.stdout.trim())).code, 0)
  for (const node of ['n1', 'n2']) t.ok((await readFile(`${fleet.liveOf(node)}/from-stdin`)).equals(bytes))
  t.equal((await engine('rm', ':/www/from-stdin')).code, 0)
})

t.test('a put that was cut is gone on with', async (t) => {
  const file = `${directory}/cut`
  await writeFile(file, randomBytes(60_000_000))
  const stopped = startEngine(['put', file, ':/www/cut', '--url', fleet.url])
  const uploads = `${fleet.dataOf('coordinator')}/uploads/www/parts`
  await until('a part of it is there', async () => {
    const [name] = await readdir(uploads).catch(() => [])
    return name !== undefined && (await stat(`${uploads}/${name}`).catch(() => ({ size: 0 }))).size > 1_000_000
  })
  await stopped.stop('SIGKILL')
  const done = await engine('put', file, ':/www/cut', '--json')
  t.equal(done.code, 0, done.stderr)
  const sent = done.stdout.split('\n').find((line) => line.includes('"phase":"sending"'))
  t.ok(
    (JSON.parse(sent ?? '{}') as { bytesToSend: number }).bytesToSend < 60_000_000,
    'what had come was not sent again',
  )
  t.ok((await readFile(`${fleet.liveOf('n2')}/cut`)).equals(await readFile(file)))
  t.equal((await engine('rm', ':/www/cut')).code, 0)
})

t.test('what cannot be is refused with its reason, and nothing is changed', async (t) => {
  const before = await engine('ls', '-l', ':/www/a', '--json')
  const refusals: readonly (readonly [string, readonly string[]])[] = [
    ['ENGINE_ERR_PATH_ESCAPES', ['rm', ':/www/../x']],
    ['ENGINE_ERR_PATH_ESCAPES', ['mkdir', ':/www/%2e%2e/x']],
    ['ENGINE_ERR_EDIT_OF_NODE', ['rm', 'n1:/www/a/1']],
    ['ENGINE_ERR_PATH_UNKNOWN', ['rm', ':/www/none']],
    ['ENGINE_ERR_PATH_UNKNOWN', ['mkdir', ':/www/none/deep']],
    ['ENGINE_ERR_EDIT_REFUSED', ['mkdir', ':/www/a']],
    ['ENGINE_ERR_EDIT_REFUSED', ['rm', ':/www/a']],
    ['ENGINE_ERR_EDIT_REFUSED', ['rm', '-r', ':/www']],
    ['ENGINE_ERR_EDIT_REFUSED', ['put', `${staging}/large`, ':/www/a/1/below']],
    ['ENGINE_ERR_MASS_DELETE', ['rm', '-r', ':/www/a']],
    ['ENGINE_ERR_NOT_A_FILE', ['put', staging, ':/www/x']],
    ['ENGINE_ERR_SOURCE_MISSING', ['put', `${staging}/none`, ':/www/x']],
    ['ENGINE_ERR_INVALID_ARGUMENT', ['chmod', 'u+x', ':/www/a']],
    ['ENGINE_ERR_INVALID_ARGUMENT', ['rm', ':/www/a/1', ':/other/a']],
    ['ENGINE_ERR_INVALID_ARGUMENT', ['rm', ':/www@1/a/1']],
    ['ENGINE_ERR_INVALID_ARGUMENT', ['put', '-', ':/www/']],
    ['ENGINE_ERR_INVALID_ARGUMENT', ['mkdir', ':/never-made/a']],
  ]
  for (const [code, args] of refusals) {
    const refused = await engine(...args)
    t.not(refused.code, 0, args.join(' '))
    t.match(refused.stderr, code, args.join(' '))
  }
  t.equal((await engine('ls', '-l', ':/www/a', '--json')).stdout, before.stdout)
  await same(t, 'all of it')
})

t.test('with plain HTTP a file is put and removed by its path', async (t) => {
  const curl = (...args: readonly string[]) => run('curl', ['-s', '--path-as-is', '-w', '\\n%{http_code}', ...args])
  const url = `${fleet.url}/v1/sites/www/files`
  const digest = `sha-256=:${createHash('sha256').update('abc').digest('base64')}:`
  const otherDigest = `sha-256=:${createHash('sha256').update('abd').digest('base64')}:`
  const put = (path: string, ...more: readonly string[]) =>
    curl('-X', 'PUT', '--data-binary', 'abc', ...more, `${url}/${path}`)
  const done = await put('c/%FF?parents&mode=600&reason=why', '-H', `repr-digest: ${digest}`)
  t.match(done, /"state":"queued"[^]*202$/)
  const { id } = JSON.parse(done.split('\n')[0] ?? '') as { id: string }
  t.equal((await engine('job', 'watch', id)).code, 0)
  const odd = Buffer.from([...Buffer.from(`${fleet.liveOf('n1')}/c/`), 0xff])
  t.equal(await readFile(odd, 'utf8'), 'abc')
  t.equal((await stat(odd)).mode & 0o777, 0o600)
  t.match(await put('c/x', '-H', `repr-digest: ${otherDigest}`), /DIGEST_MISMATCH/)
  t.match(await put('c/x', '-H', 'content-range: bytes 0-2/6'), /Content-Range[^]*400$/)
  t.match(await put('%2e%2e/x'), /PATH_ESCAPES/)
  const gone = await curl('-X', 'DELETE', `${url}/c?recursive`)
  t.match(gone, /202$/)
  await until('it is gone', async () => !(await readdir(`${fleet.liveOf('n2')}`)).includes('c'))
  t.same(await readdir(`${fleet.dataOf('coordinator')}/uploads/www/blobs`), [], 'nothing of what was refused stays')
  t.match(await (await fetch(`${fleet.url}/v1/audit`)).text(), /"action":"putFile"/)
})

t.test('edits are added to an open job one by one, and go live together', async (t) => {
  const opened = await engine('job', 'open', '--site', 'www')
  const job = opened.stdout.trim()
  const add = (...args: readonly string[]) => engine('job', 'add', job, ...args)
  const file = `${directory}/of the job`
  await writeFile(file, 'of the job', { mode: 0o640 })
  await utimes(file, 1_600_000_000, 1_600_000_000.5)
  const steps: readonly (readonly string[])[] = [
    ['mkdir', ':/www/job/a', '-p'],
    ['put', file, ':/www/job/a/'],
    ['chmod', '600', ':/www/job/a/of the job'],
    ['touch', ':/www/job/empty', '--date', '@1700000000'],
    ['rm', ':/www/d', '-r'],
  ]
  for (const [index, args] of steps.entries()) {
    const added = await add(...args)
    t.equal(added.stdout.trim(), `${index + 1}`, `${args.join(' ')}: ${added.stderr}`)
  }
  for (const [code, args] of [
    ['ENGINE_ERR_INVALID_ARGUMENT', ['rm', ':/docs/a']],
    ['ENGINE_ERR_EDIT_OF_NODE', ['rm', 'n1:/www/a']],
    ['ENGINE_ERR_SOURCE_MISSING', ['put', `${directory}/none`, ':/www/x']],
  ] as const) {
    t.match((await add(...args)).stderr, code, args.join(' '))
  }
  const stdin = ['job', 'add', job, 'put', '-', ':/www/job/b', '--mode', '444', '--wait', '--url', fleet.url]
  const put = await runEngine(stdin, { under: ['bash', '-c', 'printf piped | exec "$@"', 'bash'] })
  t.equal(put.code, 0, put.stderr)
  await same(t, 'nothing has switched')
  t.equal((await add('commit', '--wait')).code, 0)
  t.equal((await engine('job', 'end', job, '--wait')).code, 0)
  const local = [
    'mkdir -p job/a; cp -p "$F" job/a; chmod 600 job/a/*; touch -d @1700000000 job/empty',
    'rm -r d; printf piped > job/b; chmod 444 job/b',
  ].join('; ')
  await run('bash', ['-c', `set -e; umask 022; cd "$1"; F="$2"; ${local}`, 'bash', mirror, file])
  await run('touch', ['-r', `${fleet.liveOf('n1')}/job/b`, `${mirror}/job/b`])
  await same(t, 'all of it')
})

t.test('the guard against mass deletion is moved by a request for one path, as by the command', async (t) => {
  const remove = async (query: string): Promise<string> => {
    const answer = await fetch(`${fleet.url}/v1/sites/www/files/a?recursive&${query}`, { method: 'DELETE' })
    const { id, code } = (await answer.json()) as { id?: string; code?: string }
    if (id === undefined) return `${answer.status} ${code}`
    return (await engine('job', 'watch', id)).stderr
  }
  for (const query of ['maxDeleteRatio=', 'maxDeleteRatio=2', 'maxDeleteRatio=-1', 'maxDeleteRatio=half']) {
    t.equal(await remove(query), '400 ENGINE_ERR_INVALID_ARGUMENT', query)
  }
  t.match(await remove('maxDeleteRatio=0.1'), /MASS_DELETE/)
  t.match(await remove('stageOnly=no'), /^400/)
  await same(t, 'nothing is gone')
  t.notMatch(await remove('maxDeleteRatio=1'), /ENGINE_ERR/)
  await run('rm', ['-r', `${mirror}/a`])
  await same(t, 'it is gone')
})
