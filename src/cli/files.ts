import type { Command } from 'commander'
import type * as fileCommands from './commands/files.js'
import type { Running } from './running.js'

const commands = (): Promise<typeof fileCommands> => import('./commands/files.js')
const PLACE = 'NODE:/site/path, NODE:/site@release/path, or :/site/path on whichever node; %XX is a byte'

/** Looking at what nodes have on disk, and fetching it. */
export function addFiles(program: Command, run: Running): void {
  program
    .command('ls')
    .description('a directory of a site as a node has it on disk')
    .argument('<place>', PLACE)
    .option('-l, --long', 'with mode, size and time')
    .action(run.command(async (context, [place], flags) => (await commands()).list(context, place ?? '', flags)))
  program
    .command('stat')
    .description('what one path of a site is on a node')
    .argument('<place>', PLACE)
    .action(run.command(async (context, [place]) => (await commands()).stat(context, place ?? '')))
  program
    .command('get')
    .description('fetch a file that a node serves; run again, it goes on where it broke off')
    .argument('<place>', PLACE)
    .argument('[local]', 'file or directory here (default: this directory); - is standard output')
    .option('-r, --recursive', 'a directory and all below it')
    .action(
      run.command(async (context, [place, local], flags) =>
        (await commands()).get(context, [place ?? '', local], flags),
      ),
    )
}
