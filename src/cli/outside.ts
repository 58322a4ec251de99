import type { Command } from 'commander'
import type * as webhookCommands from './commands/webhooks.js'
import type { Running } from './running.js'

type Commands = typeof webhookCommands
const commands = (): Promise<Commands> => import('./commands/webhooks.js')

/** What is told to others: the event stream, and who is called back. */
export function addOutside(program: Command, run: Running): void {
  program
    .command('events')
    .description('what happens in the fleet, as it happens, until Ctrl-C')
    .option('--types <list>', 'only these: job.*, node.lost …')
    .option('--since <id>', 'begin after this event; 0: all of the last hour')
    .action(run.command(async (context, _, flags) => (await import('./commands/events.js')).events(context, flags)))
  const webhook = program.command('webhook').description('who is called back when something happens')
  webhook
    .command('add')
    .description('call this address; its secret is shown once')
    .argument('<url>', 'https://host/path')
    .option('--types <list>', 'only these: job.*, node.lost …')
    .option('-s, --site <name>', 'only events of this site')
    .option('--secret-file <file>', 'secret to sign with (whsec_…), in the file’s first line; without it one is made')
    .option('--allow-private', 'it may be on a private, loopback or link-local address')
    .action(run.command(async (context, [url], flags) => (await commands()).add(context, url ?? '', flags)))
  webhook
    .command('ls')
    .description('who is called, and how that goes')
    .action(run.command(async (context) => (await commands()).list(context)))
  webhook
    .command('rm')
    .description('call it no more; what waits for it is forgotten')
    .argument('<webhook>', 'its id')
    .action(run.command(async (context, [id]) => (await commands()).remove(context, id ?? '')))
  webhook
    .command('rotate')
    .description('a new secret; for a day the one before it signs too')
    .argument('<webhook>', 'its id')
    .option('--secret-file <file>', 'the new secret, in the file’s first line; without it one is made')
    .action(run.command(async (context, [id], flags) => (await commands()).rotate(context, id ?? '', flags)))
  addDeliveries(webhook, run)
}

function addDeliveries(webhook: Command, run: Running): void {
  webhook
    .command('deliveries')
    .description('what was sent to it and what came of it, newest first')
    .argument('<webhook>', 'its id')
    .action(run.command(async (context, [id]) => (await commands()).deliveries(context, id ?? '')))
  webhook
    .command('resend')
    .description('send one again, under the same id')
    .argument('<webhook>', 'its id')
    .argument('<delivery>', 'id of the delivery')
    .action(
      run.command(async (context, [id, delivery]) => (await commands()).resend(context, id ?? '', delivery ?? '')),
    )
  webhook
    .command('ping')
    .description('send an event that says nothing; one that is off and answers is on again')
    .argument('<webhook>', 'its id')
    .action(run.command(async (context, [id]) => (await commands()).ping(context, id ?? '')))
}
