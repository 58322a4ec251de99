import type { Command } from 'commander'
import type * as writingCommands from './commands/writing.js'
import { withPolicy } from './publishing.js'
import { keyHelp, type Running } from './running.js'

const commands = (): Promise<typeof writingCommands> => import('./commands/writing.js')
const PLACE = ':/site/path, on every node that serves the site; %XX is a byte'

/** What a job that changes single paths may say. */
const withEditing = (command: Command): Command =>
  withPolicy(command)
    .option('-g, --group <name>', 'group of nodes that serve it (needed for the first release of a site)')
    .option('--stage-only', 'bring it everywhere, but let `engine commit` make it live')
    .option('-m, --message <text>', 'why, kept with the job')
    .option('--idempotency-key <key>', keyHelp)
    .option('--detach', 'print the job’s id and return')
    .option('--exit-code-on-noop', 'exit with 9 when nothing has changed')

/** Changing single paths of a site, on all of its nodes at once. */
export function addWriting(program: Command, run: Running): void {
  withEditing(program.command('put'))
    .description('put a file into a site; run again, it goes on where it broke off')
    .argument('<file>', 'file here; - is standard input, of any length')
    .argument('<place>', `${PLACE}; under its own name where that ends with a slash`)
    .option('--mode <octal>', 'its mode (default: that of the file here)')
    .option('--parents', 'make the directories above it that are missing')
    .action(
      run.command(async (context, [file, place], flags) =>
        (await commands()).put(context, [file ?? '', place ?? ''], flags),
      ),
    )
  withEditing(program.command('mkdir'))
    .description('make directories in a site')
    .argument('<place...>', PLACE)
    .option('--mode <octal>', 'their mode (default: 755)')
    .option('-p, --parents', 'those above them too, and what is there is no error')
    .action(run.command(async (context, places, flags) => (await commands()).mkdir(context, places, flags)))
  withEditing(program.command('chmod'))
    .description('change the mode of files and directories of a site')
    .argument('<mode>', 'octal, such as 640')
    .argument('<place...>', PLACE)
    .action(run.command(async (context, args, flags) => (await commands()).chmod(context, args, flags)))
  withEditing(program.command('touch'))
    .description('change the time of files and directories of a site, or make an empty file')
    .argument('<place...>', PLACE)
    .option('--date <time>', 'that time: 2026-12-01T02:00:00Z, or @SECONDS since 1970 (default: now)')
    .option('--no-create', 'make no file where nothing is')
    .action(run.command(async (context, places, flags) => (await commands()).touch(context, places, flags)))
  withEditing(program.command('rm'))
    .description('remove files of a site')
    .argument('<place...>', PLACE)
    .option('-r, --recursive', 'directories and all below them')
    .action(run.command(async (context, places, flags) => (await commands()).remove(context, places, flags)))
}
