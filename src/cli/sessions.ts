import type { Command } from 'commander'
import type * as sessionCommands from './commands/job.js'
import { withCallback, withPolicy } from './publishing.js'
import { collect, keyHelp, type Running } from './running.js'

type Commands = typeof sessionCommands
const commands = (): Promise<Commands> => import('./commands/job.js')

/** Columns that a description is set in at least; the names of these commands leave 39 of 80. */
const HELP_WIDTH_MIN = 30

const argHelp = 'an argument that the hook declares; repeat for several'

/** Jobs as sessions: opened, given one command after the other, ended. */
export function addSessions(program: Command, run: Running): void {
  const job = program
    .command('job')
    .description('a job that is given one command after the other, and ended')
    .configureHelp({ minWidthToWrap: HELP_WIDTH_MIN })
  addAsking(job, run)
  addPausing(job, run)
  addLooking(job, run)
  program
    .command('run-hook')
    .description('run a hook on the nodes that serve a site, and wait for it')
    .argument('<name>', 'hook that the nodes declare (engine hooks)')
    .requiredOption('-s, --site <name>', 'site whose nodes run it')
    .option('-g, --group <name>', 'its group, to be sure')
    .option('--only <names>', 'only these nodes, separated by commas')
    .option('--arg <name=value>', argHelp, collect)
    .option('-m, --message <text>', 'why, kept with the job')
    .option('--idempotency-key <key>', keyHelp)
    .action(
      run.command(async (context, [name], flags) => (await commands()).runHook(context, name ?? '', flags as never)),
    )
}

function addAsking(job: Command, run: Running): void {
  withCallback(withPolicy(job.command('open')))
    .description('open a job for a site and print its id; it holds the site until it is ended')
    .requiredOption('-s, --site <name>', 'site that it is for')
    .option('-g, --group <name>', 'group of nodes that serve it (needed for the first publish of a site)')
    .option('--only <names>', 'only these nodes, separated by commas')
    .option('-m, --message <text>', 'why, kept with the job')
    .option('--idempotency-key <key>', keyHelp)
    .action(run.command(async (context, _, flags) => (await commands()).open(context, flags as never)))
  job
    .command('add')
    .description('add a command: publish, commit, rollback, run-hook, verify, put, mkdir, chmod, touch or rm')
    .argument('<job>', 'id of the job')
    .argument(
      '<command>',
      'publish DIR, commit, rollback, run-hook NAME, verify, or an edit, as `engine put` and others',
    )
    .argument('[what...]', 'put FILE :/site/path, mkdir :/site/path, chmod MODE :/site/path, touch and rm :/site/path')
    .option('--upload', 'publish: send the content from this machine')
    .option('--no-upload', 'publish: the directory is on the coordinator’s machine')
    .option('--release <number>', 'rollback, verify: the release meant')
    .option('--arg <name=value>', `run-hook: ${argHelp}`, collect)
    .option('--repair', 'verify: have what differs staged anew')
    .option('--rate <bytes>', 'verify: bytes a second that each node reads at most, such as 20M')
    .option('--mode <octal>', 'put, mkdir: the mode')
    .option('-p, --parents', 'put, mkdir: make the directories above it that are missing')
    .option('--date <time>', 'touch: that time (default: now)')
    .option('--no-create', 'touch: make no file where nothing is')
    .option('-r, --recursive', 'rm: a directory and all below it')
    .option('--idempotency-key <key>', keyHelp)
    .option('--wait', 'follow it until this command is over, and exit by what came of it')
    .action(run.command(async (context, args, flags) => (await commands()).add(context, args, flags)))
  job
    .command('end')
    .description('close it: nothing is added after this, and it ends when its commands are done')
    .argument('<job>', 'id of the job')
    .option('--wait', 'follow it to its end')
    .action(run.command(async (context, [id], flags) => (await commands()).end(context, id ?? '', flags)))
  job
    .command('abort')
    .description('stop it before it switches anything further; one that waits for nodes ends without them')
    .argument('<job>', 'id of the job')
    .action(run.command(async (context, [id]) => (await import('./commands/jobs.js')).abort(context, id ?? '')))
}

function addPausing(job: Command, run: Running): void {
  job
    .command('pause')
    .description('have its content sent no more; what is there stays')
    .argument('<job>', 'id of the job')
    .action(run.command(async (context, [id]) => (await import('./commands/jobs.js')).pause(context, id ?? '')))
  job
    .command('resume')
    .description('have the content of a paused job sent again')
    .argument('<job>', 'id of the job')
    .action(run.command(async (context, [id]) => (await import('./commands/jobs.js')).resume(context, id ?? '')))
}

function addLooking(job: Command, run: Running): void {
  job
    .command('explain')
    .description('how it came to its end: who was waited for, asked, mended, left behind, and why')
    .argument('<job>', 'id of the job')
    .action(run.command(async (context, [id]) => (await import('./commands/explain.js')).explain(context, id ?? '')))
  job
    .command('watch')
    .description('follow a job to its end, by whomever it was opened; Ctrl-C only stops watching')
    .argument('<job>', 'id of the job')
    .action(run.command(async (context, [id]) => (await commands()).watch(context, id ?? '')))
  job
    .command('show')
    .description('the commands of a job and what became of each')
    .argument('<job>', 'id of the job')
    .option('--nodes', 'and where every node stands with each')
    .action(run.command(async (context, [id], flags) => (await commands()).show(context, id ?? '', flags)))
}
