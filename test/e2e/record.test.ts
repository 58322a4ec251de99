// Goal: what happened can be proved afterwards, by who has the export alone, and tampering shows where.
// Method: one coordinator and one node on loopback, driven by the built `engine`; the database and exports are altered.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import SQLite from 'better-sqlite3'
import t from 'tap'
import { Fleet, lastLine } from '../support/fleet.js'
import { runEngine } from '../support/process.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-record-`)
const staging = `${directory}/staging`
await mkdir(staging)
await writeFile(`${staging}/index.html`, 'one')
const fleet = await Fleet.start(directory, 1)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})

const records = async (): Promise<Record<string, unknown>[]> => {
  const { stdout } = await fleet.engine('audit', 'ls', '--json')
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

t.test('every change that was asked for is listed with who asked and what came of it', async (t) => {
  t.equal((await fleet.publish(staging, '-m', 'first')).code, 0, fleet.story())
  await fleet.engine('abort', '01HF0000000000000000000001')
  const [publish, abort] = await records()
  t.match(publish, {
    ...{ seq: 1, actor: '127.0.0.1', action: 'createJob', subject: 'site www', outcome: 'done', at: /^\d{4}-.*Z$/ },
    request: { 'commands.0.directory': staging, reason: 'first' },
  })
  t.match(abort, { seq: 2, action: 'abortJob', outcome: 'refused', code: 'ENGINE_ERR_JOB_UNKNOWN' })
  t.match((await fleet.engine('audit', 'ls')).stdout, /SEQ.*\n1 .*createJob +site www +done/)
})

t.test('the history of a site says who made which release live, and on how many nodes', async (t) => {
  await writeFile(`${staging}/index.html`, 'two')
  t.equal((await fleet.publish(staging, '-m', 'second')).code, 0, fleet.story())
  const { stdout } = await fleet.engine('history', '-s', 'www', '--json')
  const { items } = JSON.parse(stdout) as { items: Record<string, unknown>[] }
  t.match(items, [
    {
      ...{ fromRelease: 1, toRelease: 2, actor: '127.0.0.1', reason: 'second', result: 'succeeded', nodesLive: 1 },
      ...{ nodesBehind: 0, nodeCount: 1, changes: { filesChanged: 1 }, at: /Z$/, commands: ['publish', 'commit'] },
    },
    { fromRelease: null, toRelease: 1, changes: { filesAdded: 1 } },
  ])
  t.match((await fleet.engine('history', '-s', 'www', '--limit', '1')).stdout, /1→2 +succeeded +1\/1[^]*second\n$/)
  t.equal((await fleet.engine('history', '-s', 'nope')).code, 3)
})

t.test('the chain is signed at a clean end, and holds for who has the export and the key alone', async (t) => {
  await fleet.stop('coordinator', 'SIGTERM')
  fleet.startCoordinator()
  await fleet.online(1)
  const verified = await fleet.engine('audit', 'verify', '--json')
  t.equal(verified.code, 0, verified.stderr)
  t.match(lastLine(verified), { status: 'success', records: 4, signedHeads: 1, signedThroughSeq: 3 })
  const { publicKey, head } = lastLine(verified) as { publicKey: string; head: { seq: number; hash: string } }
  const file = `${directory}/audit.jsonl`
  const { stdout } = await fleet.engine('audit', 'ls', '--json')
  await writeFile(file, stdout)
  const offline = ['audit', 'verify', '--file', file, '--key', publicKey, '--url', 'http://127.0.0.1:1']
  t.equal((await runEngine([...offline, '--expect', `${head.seq}:${head.hash}`])).code, 0)
  await writeFile(file, stdout.replace('"first"', '"worst"'))
  const tampered = await runEngine(offline)
  t.equal(tampered.code, 1)
  t.match(tampered.stderr, /ENGINE_ERR_AUDIT_BROKEN: .*audit\.jsonl .*record 1: its hash/)
})

t.test('what was altered in the database is found, at its record', async (t) => {
  await fleet.stop('coordinator', 'SIGKILL')
  const database = new SQLite(`${fleet.dataOf('coordinator')}/engine.db`)
  database.prepare("update audit set actor = '10.9.9.9' where seq = 2").run()
  database.close()
  fleet.startCoordinator()
  await fleet.online(1)
  const verified = await fleet.engine('audit', 'verify', '--json')
  t.equal(verified.code, 1)
  t.match(lastLine(verified), { status: 'failed', error: { code: 'ENGINE_ERR_AUDIT_BROKEN', message: /record 2/ } })
})

t.test('every receipt is signed by its node, and one that was altered proves nothing', async (t) => {
  const { items } = JSON.parse((await fleet.engine('jobs', '--json')).stdout) as { items: { id: string }[] }
  const job = items[0]?.id ?? ''
  const verified = await fleet.engine('receipts', job, '--verify', '--json')
  t.equal(verified.code, 0, verified.stderr + fleet.story())
  const receipts = (JSON.parse(verified.stdout) as { items: { proof: string }[] }).items
  t.ok(receipts.length >= 3 && receipts.every(({ proof }) => proof === 'signed'), verified.stdout)
  const { stdout: csv } = await fleet.engine('receipts', job, '--csv')
  t.match(csv, /^node,number,command,[^\r]*\r\nn1,1,publish,receipt,2,[^]*\r\n$/)
  const database = new SQLite(`${fleet.dataOf('coordinator')}/engine.db`)
  database.prepare("update receipts set bytes_fetched = bytes_fetched + 1 where kind = 'completion'").run()
  database.close()
  const altered = await fleet.engine('receipts', job, '--verify')
  t.equal(altered.code, 1)
  t.match(altered.stderr, /ENGINE_ERR_RECEIPTS_UNPROVEN: 2 of \d+ .*wrong signature \(n1\)/)
})

t.test('a node keeps its key, and is not taken with another', async (t) => {
  const path = `${fleet.dataOf('n1')}/key.json`
  const key = await readFile(path, 'utf8')
  await fleet.stop('n1', 'SIGTERM')
  await rm(path)
  fleet.startNode('n1')
  await until('it is refused', () => fleet.process('n1').output.includes('ENGINE_ERR_NODE_KEY_CHANGED'))
  await fleet.stop('n1', 'SIGTERM')
  await writeFile(path, '{}')
  fleet.startNode('n1')
  t.match((await fleet.process('n1').exited).stderr, /ENGINE_ERR_IDENTITY_DAMAGED.*key\.json/)
  await writeFile(path, key)
  fleet.startNode('n1')
  await fleet.online(1)
  t.pass('with its own it is')
})

t.test('the guide shows commands that exist', async (t) => {
  const guide = await readFile(new URL('../../docs/guide/record.md', import.meta.url), 'utf8')
  const commands = [...guide.matchAll(/^\$ engine ([a-z]+(?: ls| verify)?)/gm)].map(([, words]) => words ?? '')
  t.ok(commands.length > 3)
  for (const words of new Set(commands)) {
    t.equal((await runEngine([...words.split(' '), '--help'])).code, 0, words)
  }
})
