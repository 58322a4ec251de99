// In: the arguments of `engine`. Out: one command run, its output, an exit code.
// Never: a decision that the coordinator or a node should make; a room's inside.
import { Command, CommanderError, Option } from 'commander'
import { systemClock } from '../base/clock.js'
import { EngineError } from '../base/errors.js'
import { terminalSettings } from '../config/environment.js'
import type { Context } from './context.js'
import { addBenches } from './benching.js'
import { addFiles } from './files.js'
import { addWriting } from './writing.js'
import { addOutside } from './outside.js'
import { createOutput, fail, type Output } from './output.js'
import { addHolding, addPublishing, addVerifying } from './publishing.js'
import { type Action, collect } from './running.js'
import { addSessions } from './sessions.js'
import { addUploads } from './uploads.js'
import { interrupts, lifetime } from './signals.js'

interface GlobalFlags {
  readonly url?: string
  readonly json?: boolean
  readonly quiet?: boolean
  readonly color?: boolean
  readonly progress?: boolean
}

const EXIT_USAGE = 2

/** What `engine` was run with, and the code it ends with. */
class Run {
  exitCode = 0
  /** Whose arguments commander could not read. */
  #misused = 'engine'

  /** Makes an action of commander: gives it a context, turns what it throws into an exit code. */
  command(action: Action): (...args: unknown[]) => Promise<void> {
    return async (...given) => {
      const command = given.at(-1) as Command
      const all = command.optsWithGlobals<GlobalFlags & Record<string, unknown>>()
      const output = this.#output(all)
      try {
        const args = given
          .slice(0, -2)
          .flat()
          .filter((arg) => typeof arg === 'string')
        this.exitCode = await action(this.#context(output, all), args, all)
      } catch (error) {
        this.exitCode = fail(output, error)
      }
    }
  }

  /** Has wrong arguments of a command told by `refuse`, which knows how the run speaks. */
  watch(command: Command): void {
    command.configureOutput({ outputError: () => {} }).exitOverride((error) => {
      this.#misused = wayTo(command).join(' ')
      throw error
    })
  }

  /** Tells what commander refused, with the way out. */
  refuse({ message }: CommanderError, flags: GlobalFlags): void {
    const said = message.replace(/^error: /, '').replaceAll('\n', ' ')
    const hint = `see ${this.#misused} --help`
    this.#output(flags).error(new EngineError('ENGINE_ERR_INVALID_ARGUMENT', {}, { message: said, hint }))
  }

  #output(flags: GlobalFlags): Output {
    const terminal = terminalSettings()
    return createOutput({
      json: flags.json ?? false,
      quiet: flags.quiet ?? false,
      color: flags.color === false ? false : terminal.color,
      progress: terminal.animate ? flags.progress : false,
      dumbTerminal: terminal.dumb,
      stdout: process.stdout,
      stderr: process.stderr,
    })
  }

  #context(output: Output, flags: GlobalFlags): Context {
    return {
      output,
      clock: systemClock,
      interrupts,
      write: (bytes) => writeOut(process.stdout, bytes),
      connect: async () => {
        const { Client } = await import('../sending/index.js')
        return new Client({ url: flags.url ?? terminalSettings().url ?? (await urlOfFile()) })
      },
    }
  }
}

/** Waits while whoever reads does not. */
const writeOut = (stdout: NodeJS.WriteStream, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    stdout.write(bytes, (error) => (error ? reject(error) : resolve()))
  })

/** The names by which a command is called, from `engine` on. */
const wayTo = (command: Command): string[] => [
  ...(command.parent === null ? [] : wayTo(command.parent)),
  command.name(),
]

/** Read only where nothing stronger says it: a broken file is no trouble of a command that names its coordinator. */
const urlOfFile = async (): Promise<string> => (await import('../config/load.js')).loadUrl()

function addQueries(program: Command, run: Run): void {
  program
    .command('status')
    .description('each site: what is live, and on how many nodes')
    .option('-g, --group <name>', 'only sites of this group')
    .option('--query <node>', 'ask this node, now, where each command of the running jobs stands on it')
    .action(run.command(async (context, _, flags) => (await import('./commands/fleet.js')).status(context, flags)))
  program
    .command('nodes')
    .description('who has joined, what each serves, why one is not well')
    .action(run.command(async (context) => (await import('./commands/fleet.js')).nodes(context)))
  program
    .command('limit')
    .description('how fast relays may send; with a limit, change that of one until its process starts again')
    .argument('[name]', 'a node, or coordinator')
    .argument('[limit]', '5M, 40Mbit, off, or by time: "08:00,5M 19:00,off"')
    .action(
      run.command(async (context, [name, asked]) => (await import('./commands/limit.js')).limit(context, name, asked)),
    )
  program
    .command('probe')
    .description('measure what nodes can send and receive: short trains of bytes to and from the coordinator')
    .argument('[nodes...]', 'nodes to measure (default: all that are there)')
    .option('-g, --group <name>', 'nodes of this group')
    .option('--from <node>', 'only what this node can send to them')
    .option('--bulk', 'by up to 64 MiB, for three seconds at most, instead of a short train')
    .option('--force', 'also while content is on its way, which makes both slower')
    .action(
      run.command(async (context, names, flags) => (await import('./commands/probe.js')).probe(context, names, flags)),
    )
  program
    .command('hooks')
    .description('commands that nodes declare and jobs may name')
    .argument('[node]', 'only those of this node')
    .action(run.command(async (context, [node]) => (await import('./commands/fleet.js')).hooks(context, node)))
  program
    .command('jobs')
    .description('jobs, newest first')
    .option('-s, --site <name>', 'only jobs of this site')
    .option('--state <state>', 'only jobs in this state')
    .option('--limit <count>', 'at most so many')
    .action(run.command(async (context, _, flags) => (await import('./commands/jobs.js')).jobs(context, flags)))
  program
    .command('receipts')
    .description('what every node has said of a job')
    .argument('<job>', 'id of the job')
    .option('--verify', 'check every signature here; anything unproven ends with 1')
    .option('--csv', 'comma-separated values (RFC 4180)')
    .action(
      run.command(async (context, [job], flags) =>
        (await import('./commands/receipts.js')).receipts(context, job ?? '', flags),
      ),
    )
  program
    .command('doctor')
    .description('try what the engine needs of this machine')
    .option('--data <dir>', 'data directory to try', '.')
    .option('--listen <host:port>', 'address to try', '127.0.0.1:7400')
    .action(
      run.command(async (context, _, flags) => (await import('./commands/doctor.js')).doctor(context, flags as never)),
    )
}

function addRecord(program: Command, run: Run): void {
  program
    .command('history')
    .description('what happened to a site, newest first: from which release to which, by whom and why')
    .requiredOption('-s, --site <name>', 'site to look at')
    .option('--limit <count>', 'at most so many')
    .action(
      run.command(async (context, _, flags) =>
        (await import('./commands/history.js')).history(context, flags as never),
      ),
    )
  const audit = program
    .command('audit')
    .description('who asked for which change, in a chain that shows every tampering')
  audit
    .command('ls')
    .description('all records, oldest first; with --json one a line, to be kept elsewhere')
    .option('--since <seq>', 'only records after this number')
    .action(run.command(async (context, _, flags) => (await import('./commands/audit.js')).list(context, flags)))
  audit
    .command('verify')
    .description('walk the chain, check every hash and signature, say where it breaks')
    .option('--file <path>', 'an export of `engine audit ls --json` in place of the coordinator')
    .option('--key <hex>', 'the coordinator’s public key as you know it')
    .option('--expect <seq:hash>', 'a newest record that was printed earlier and must be in the chain')
    .action(run.command(async (context, _, flags) => (await import('./commands/audit.js')).verify(context, flags)))
}

function addProcesses(program: Command, run: Run): void {
  program
    .command('serve')
    .description('run a coordinator, a node, or both, until a signal ends it')
    .option('-c, --config <file>', 'configuration (YAML)')
    .addOption(new Option('--role <role>', 'what to run').choices(['coordinator', 'node', 'both']))
    .option('--data <dir>', 'data directory')
    .option('--listen <host:port>', 'where the coordinator’s API listens')
    .option('--relay <host:port>', 'where the data plane listens (port 0: any)')
    .option('--join <url>', 'coordinator that the node joins')
    .option('--name <name>', 'the node’s name (default: the host’s)')
    .option('--group <name>', 'group the node belongs to; repeat for several', collect)
    .option('--segment <name>', 'segment this process is in')
    .option('--bwlimit <limit>', 'send no faster: 5M, off, or by time: "08:00,5M 19:00,off"')
    .option('--insecure', 'listen beyond loopback although nobody’s identity is checked')
    .option('--log-level <level>', 'debug, info, warn, error or silent')
    .option('--log-format <format>', 'json or text')
    .addOption(new Option('--until-stdin-closes', 'end when standard input does').hideHelp())
    .action(
      run.command(async ({ output }, _, flags) => {
        // Listening for signals comes before anything is opened: an early one must not be lost.
        const life = lifetime(flags['untilStdinCloses'] === true)
        const { loadConfig } = await import('../config/load.js')
        const { serveFlags } = await import('./serve-flags.js')
        const config = await loadConfig(serveFlags(flags))
        return (await import('./commands/serve.js')).serve(output, config, life)
      }),
    )
  program
    .command('demo')
    .description('a coordinator and nodes on this machine: publish, change, commit, roll back')
    .option('--nodes <count>', 'how many nodes', '12')
    .option('--segments <count>', 'in how many segments (default: 3, or as many as there are nodes)')
    .option('--seed <number>', 'seed of the sample site', '1')
    .option('--keep', 'stay up afterwards, for commands of your own')
    .action(
      run.command(async (context, _, flags) => (await import('./commands/demo.js')).demo(context, flags as never)),
    )
}

function build(run: Run, version: string): Command {
  const program = new Command('engine')
    .description('Brings a directory to many servers, proves that it arrived, switches them all live at once.')
    .version(version)
    .option('--url <url>', 'coordinator to ask (ENGINE_URL, url in engine.yaml; default http://127.0.0.1:7400)')
    .option('--json', 'JSON on standard output')
    .option('-q, --quiet', 'nothing but data and errors')
    .option('--no-color', 'no colours (NO_COLOR)')
    .option('--no-progress', 'plain lines instead of bars')
    .showSuggestionAfterError()
  run.watch(program)
  addPublishing(program, run)
  addHolding(program, run)
  addSessions(program, run)
  addVerifying(program, run)
  addQueries(program, run)
  addRecord(program, run)
  addFiles(program, run)
  addWriting(program, run)
  addUploads(program, run)
  addOutside(program, run)
  addProcesses(program, run)
  addBenches(program, run)
  for (const command of program.commands) for (const each of [command, ...command.commands]) run.watch(each)
  return program
}

/**
 * Runs `engine ARGS`.
 * @param args  without the interpreter and the script.
 * @returns the exit code.
 */
export async function runProgram(args: readonly string[], version: string): Promise<number> {
  const run = new Run()
  const program = build(run, version)
  try {
    await program.parseAsync([...args], { from: 'user' })
    return run.exitCode
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return 0
    // Without a command its help was printed: there is nothing to add.
    // What comes after the argument that could not be read was not read either.
    if (error.code !== 'commander.help') run.refuse(error, { ...program.opts(), json: args.includes('--json') })
    return EXIT_USAGE
  }
}
