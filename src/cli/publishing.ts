import type { Command } from 'commander'
import { collect, keyHelp, type Running } from './running.js'

/** What a job is allowed to do; the same wherever one is opened. */
export function withPolicy(command: Command): Command {
  return command
    .option('--period <time>', 'before its end, ask nodes that have not reported this often (10s)')
    .option(
      '--repair <how>',
      'before its end, mend who errs by these, each once: resend, self-check, resync, restart (all of them), or none',
    )
    .option('--max-delete <share>', 'refuse to delete more than this share of the live files', '25%')
    .option('--allow-empty', 'let an empty directory through')
    .option('--quorum <share>', 'share of the group (or all) that must hold it before any node switches')
    .option('--commit <how>', 'together: all nodes at once (default); each: a node when it is complete')
    .option('--timeout <duration>', 'not decided by then: it fails and nothing is switched')
    .option('--on-conflict <what>', 'another job of the site: queue behind it (default), fail, or supersede it')
    .option('--at <time>', 'start then: 2026-12-01T02:00, 02:00 or +30m')
    .option('--window <from-to>', 'start within it, such as 01:00-05:00 by the coordinator’s clock')
    .option('--canary <who>', 'these switch first: a share (5%), a number, or names with commas')
    .option('--bake <duration>', 'all others follow when the canaries have stayed healthy for so long (10m)')
    .option('--health <hook>', 'hook that tells it on the canaries (their health)')
    .option('--bwlimit <limit>', 'each sender sends no more of it: 5M, 40Mbit or off')
    .option('--priority <weight>', 'its part of what a sender may send beside other jobs, 1 to 100 (10)')
    .option('--strategy <name>', 'who sends to whom: braid (default), star, chain, tree, handout or cascade')
    .option('--fanout <number>', 'handout, cascade: servers that each serves at once (what its uplink bears)')
    .option('--probe', 'measure first what nodes can send, where nothing fresh is known')
    .option('--order <nodes>', 'chain, handout, cascade: names with commas, who go first (the fastest)')
}

/** Where the end of a job is told. */
export function withCallback(command: Command): Command {
  return command
    .option('--callback <url>', 'have the end of the job told there, as a webhook is')
    .option('--callback-secret-file <path>', 'file with the secret that signs it (whsec_…)')
}

/** What brings content, makes it live, or takes it back. */
export function addPublishing(program: Command, run: Running): void {
  withCallback(withPolicy(program.command('publish')))
    .description('bring a directory to every node of a group and make it live')
    .argument('<dir>', 'directory on the coordinator’s machine, or with an upload a directory, a file or - here')
    .requiredOption('-s, --site <name>', 'site to publish')
    .option('-g, --group <name>', 'group of nodes that serve it (needed for the first publish of a site)')
    .option('--stage-only', 'bring it everywhere, but let `engine commit` make it live')
    .option('-m, --message <text>', 'why, kept with the job')
    .option('--upload', 'send the content from this machine (usual for a coordinator that is not on it)')
    .option('--no-upload', 'the directory is on the coordinator’s machine')
    .option('--name <name>', 'what the bytes of standard input (-) are called in the site')
    .option('--idempotency-key <key>', keyHelp)
    .option('--detach', 'print the job’s id and return')
    .option('--exit-code-on-noop', 'exit with 9 when nothing has changed')
    .action(
      run.command(async (context, [dir], flags) => {
        const { publish } = await import('./commands/publish.js')
        return publish(context, dir ?? '.', flags as never)
      }),
    )
  program
    .command('commit')
    .description('make live what `publish --stage-only` has prepared')
    .argument('<job>', 'id of the job')
    .action(run.command(async (context, [job]) => (await import('./commands/jobs.js')).commit(context, job ?? '')))
  program
    .command('abort')
    .description('stop a job that has not been committed yet; one that waits for nodes ends without them')
    .argument('<job>', 'id of the job')
    .action(run.command(async (context, [job]) => (await import('./commands/jobs.js')).abort(context, job ?? '')))
  withCallback(program.command('rollback'))
    .description('make an older release live again; nothing is sent where it is held')
    .requiredOption('-s, --site <name>', 'site to take back')
    .option('-g, --group <name>', 'group of nodes that serve it')
    .requiredOption('--reason <text>', 'why, shown while the site is held there')
    .option('--release <number>', 'release to go back to (default: the one that was live before)')
    .option('--idempotency-key <key>', keyHelp)
    .action(
      run.command(async (context, _args, flags) =>
        (await import('./commands/jobs.js')).rollback(context, flags as never),
      ),
    )
}

/** What keeps a site on what it serves. */
export function addHolding(program: Command, run: Running): void {
  program
    .command('pause')
    .description('hold a site on what it serves: no job makes another release live, but rollbacks')
    .option('-s, --site <name>', 'site to hold')
    .option('-g, --group <name>', 'hold every site of this group')
    .option('--for <duration>', 'end by itself after this time, such as 4h')
    .requiredOption('--reason <text>', 'why, shown while it is held')
    .action(
      run.command(async (context, _, flags) => (await import('./commands/holding.js')).pause(context, flags as never)),
    )
  program
    .command('resume')
    .description('end the hold of a site after a rollback or a pause')
    .option('-s, --site <name>', 'site to let go on')
    .option('-g, --group <name>', 'every site of this group')
    .option('--reason <text>', 'why, kept in the audit log')
    .action(run.command(async (context, _, flags) => (await import('./commands/holding.js')).resume(context, flags)))
}

/** What nodes are asked to look after. */
export function addVerifying(program: Command, run: Running): void {
  program
    .command('verify')
    .description('have nodes compare what they serve with what was staged')
    .requiredOption('-s, --site <name>', 'site to verify')
    .option('-g, --group <name>', 'its group, to be sure')
    .option('--node <name>', 'only this node; repeat for several', collect)
    .option('--release <number>', 'a release that is held (default: what is live)')
    .option('--rate <bytes>', 'bytes a second that each node reads at most, such as 20M')
    .option('--repair', 'have what differs staged anew, and wait for it')
    .action(
      run.command(async (context, _, flags) => (await import('./commands/verify.js')).verify(context, flags as never)),
    )
}
