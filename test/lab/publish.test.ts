// Goal: a real tree of more than 5,000 files and its next version, published over a network of 100 Mbit/s
// to 8 servers, is on every one exactly as in staging, whoever is killed on the way.
// Method: one coordinator and eight nodes as processes in namespaces; kills at random moments of the
// transfer; every live tree judged by rsync and by an independent hash.
import { randomBytes } from 'node:crypto'
import { cp, lutimes, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { LabFleet, labDown, labUp } from '../support/lab.js'
import { type Outcome, type Running, run } from '../support/process.js'
import { until } from '../support/until.js'

const NODES = [1, 2, 3, 4, 5, 6, 7, 8]
const seed = Number(process.env['SEED'] ?? Date.now() % 100_000)
/** Of each process that is killed; `KILLS=10` for a longer look. */
const kills = Number(process.env['KILLS'] ?? 2)
const at = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Moments of kills: repeatable with SEED=…, as far as a real network is. */
const random = ((state: number) => () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state / 2 ** 32
})(seed)

/** A version of the package, with what packages do not have: odd names, links, times, empty things. */
const stageVersion = async (staging: string, name: 'lab-old' | 'lab-new', bulkBytes: number): Promise<void> => {
  await rm(staging, { recursive: true, force: true })
  await cp(at(`../../node_modules/${name}`), `${staging}/package`, { recursive: true, preserveTimestamps: true })
  await mkdir(`${staging}/empty directory`)
  await writeFile(`${staging}/empty file`, '')
  await writeFile(Buffer.from(`${staging}/odd \xff\n-name`, 'latin1'), name)
  await symlink('package/package.json', `${staging}/link`)
  await symlink('/nowhere', `${staging}/dangling`)
  // Incompressible, so that a transfer takes long enough for a kill in its middle.
  await writeFile(`${staging}/bulk.bin`, randomBytes(bulkBytes))
  await utimes(`${staging}/empty file`, 1_700_000_000.123, 1_700_000_000.123)
  await lutimes(`${staging}/link`, 1_600_000_000.5, 1_600_000_000.5)
}

const hashOf = async (directory: string): Promise<string> =>
  (await run('python3', [at('tree_hash.py'), directory])).split('  ')[0] ?? ''

const judge = async (t: Test, fleet: LabFleet, staging: string): Promise<void> => {
  const wanted = await hashOf(staging)
  for (const host of NODES) {
    const live = fleet.liveOf(host, 'www')
    t.equal(await run('rsync', ['-rlptnci', '--delete', `${staging}/`, `${live}/`]), '', `rsync finds n${host} equal`)
    t.equal(await hashOf(`${live}/`), wanted, `n${host} has the source’s hash`)
  }
}

const resultOf = ({ stdout }: Outcome): { type?: string; status?: string } =>
  JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as { type?: string; status?: string }

const succeeded = (t: Test, fleet: LabFleet, outcome: Outcome): void => {
  const story = { stderr: outcome.stderr, stdout: outcome.stdout.slice(-3000), fleet: fleet.story() }
  t.equal(outcome.code, 0, 'publish exits with 0', story)
  t.match(resultOf(outcome), { type: 'result', status: 'success' }, 'its last line is the result', story)
}

/**
 * After a kill. A process that a slow machine takes longer to start again than a node may be silent is reported
 * as behind (exit 8), and gets what it missed when it is back: waits until every node has it.
 */
const converged = async (t: Test, fleet: LabFleet, staging: string, outcome: Outcome): Promise<void> => {
  if (outcome.code === 8) t.match(resultOf(outcome), { type: 'result', status: 'partial' }, 'exit 8 says partial')
  else succeeded(t, fleet, outcome)
  const wanted = await hashOf(staging)
  await until(
    'every node is live with the new release',
    async () => {
      for (const host of NODES) if ((await hashOf(`${fleet.liveOf(host, 'www')}/`)) !== wanted) return false
      return true
    },
    () => fleet.story(),
  )
}

/** Waits until a publish has said that its content is on its way to the nodes. */
const distributing = (publish: Running, fleet: LabFleet): Promise<unknown> =>
  until(
    'the job is distributing',
    () => publish.output.includes('"state":"distributing"'),
    () => publish.output.slice(-2000) + fleet.story(),
  )

t.test('a package and its next version reach eight servers exactly, through kills', { timeout: 900_000 }, async (t) => {
  const directory = await mkdtemp(`${tmpdir()}/distributary-lab-`)
  const staging = `${directory}/staging`
  const fleet = new LabFleet(directory)
  t.comment(`SEED=${seed}`)
  await labUp(NODES.length + 1, '100mbit')
  t.teardown(async () => {
    await fleet.stopAll()
    await labDown()
    await rm(directory, { recursive: true, force: true })
  })
  fleet.start(0)
  for (const host of NODES) fleet.start(host)
  await fleet.nodesOnline(NODES.length)

  await t.test('the first publish is on every node as in staging', async (t) => {
    await stageVersion(staging, 'lab-old', 1 << 20)
    succeeded(t, fleet, await fleet.publish(staging).exited)
    await judge(t, fleet, staging)
  })

  await t.test('a node killed at random moments of an update comes back and completes', async (t) => {
    await stageVersion(staging, 'lab-new', 48 << 20)
    const publish = fleet.publish(staging)
    await distributing(publish, fleet)
    for (let kill = 0; kill < kills; kill++) {
      const victim = NODES[Math.floor(random() * NODES.length)] ?? 1
      await sleep(random() * 1200)
      await fleet.kill(victim)
      t.comment(`killed n${victim}`)
      fleet.start(victim)
    }
    await converged(t, fleet, staging, await publish.exited)
    await judge(t, fleet, staging)
  })

  await t.test('a coordinator killed at random moments carries the job on', async (t) => {
    await stageVersion(staging, 'lab-old', 48 << 20)
    const publish = fleet.publish(staging)
    await distributing(publish, fleet)
    for (let kill = 0; kill < kills; kill++) {
      await sleep(random() * 1200)
      await fleet.kill(0)
      fleet.start(0)
      await fleet.nodesOnline(NODES.length)
    }
    await converged(t, fleet, staging, await publish.exited)
    await judge(t, fleet, staging)
  })
})
