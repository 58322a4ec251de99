import type { Command } from 'commander'
import type * as uploadCommands from './commands/uploads.js'
import type { Running } from './running.js'

const commands = (): Promise<typeof uploadCommands> => import('./commands/uploads.js')

/** Content from afar that is at the coordinator and not published. */
export function addUploads(program: Command, run: Running): void {
  const uploads = program.command('uploads').description('content that was sent and is not published')
  uploads
    .command('ls')
    .description('uploads: how much of each is there, how old it is, when it goes, which jobs are of it')
    .action(run.command(async (context) => (await commands()).list(context)))
  uploads
    .command('rm')
    .description('drop uploads and what they brought; one that a job is of stays')
    .argument('[upload...]', 'their ids')
    .option('--loose', 'contents that no upload names and no job needs, in place of uploads')
    .option('-s, --site <name>', 'with --loose: only those of this site')
    .action(run.command(async (context, ids, flags) => (await commands()).remove(context, ids, flags)))
}
