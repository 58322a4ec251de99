import { type Command, Option } from 'commander'
import { strategyNames } from '../model/plan.js'
import type { Running } from './running.js'

/** What measures the engine itself, without a coordinator. */
export function addBenches(program: Command, run: Running): void {
  const bench = program.command('bench').description('measure what the engine can do')
  bench
    .command('simulate')
    .description('the planner and the spreading core on a network in virtual time, beside what no plan can beat')
    .option('--nodes <count>', 'how many nodes', '1000')
    .option('--size <bytes>', 'how much is spread', '32MiB')
    .option('--chunk <bytes>', 'in chunks of so much', '64KiB')
    .option('--rate <rate>', 'of the source and of each node, each way', '100mbit')
    .option('--strategy <names>', `${strategyNames.join(', ')}; several with commas are compared`, 'braid')
    .option('--fanout <number>', 'handout, cascade: servers that each serves at once (what its uplink bears)')
    .option('--segments <count>', 'nodes are in so many segments, the source in the first', '1')
    .option('--wan-rate <rate>', 'of the way between a segment and the others, each way', '40mbit')
    .option('--wan-delay <time>', 'between two segments, one way', '20ms')
    .option('--tcp', 'links carry headers and acknowledgements, too, and connections begin slowly, as over TCP')
    .option('--known', 'the planner takes links for known, as after an earlier transfer')
    .option('--failing <share>', 'this share of nodes is killed at random times in the middle', '0%')
    .option('--slow <share>', 'this share of nodes has a fifth of the rate', '0%')
    .option('--decay <share>', 'of this share of nodes the uplink falls to a twentieth half-way', '0%')
    .option('--seed <number>', 'decides what is left to chance', '1')
    .option('--plot <file>', 'write the share of complete nodes over time there, as SVG')
    .action(
      run.command(async (context, _, flags) =>
        (await import('./commands/bench-simulate.js')).simulateBench(context, flags as never),
      ),
    )
  bench
    .command('fanout')
    .description('one publish to real processes on this machine, each held to a rate: strategies beside one another')
    .option('--strategy <names>', 'those that are compared, with commas', 'star,chain,tree,handout,cascade,braid')
    .option('--nodes <counts>', 'how many nodes; several with commas', '8')
    .option('--rate <rates>', 'at which the source and each node may send; several with commas', '100mbit')
    .option('--size <bytes>', 'how much is brought to each node', '64MiB')
    .option('--fault <names>', 'what befalls one node half-way: none, killed, slow or paused, with commas', 'none')
    .option('--repetitions <count>', 'each is run so often, in turn', '3')
    .option('--plot <file>', 'write the share of complete nodes over time there, as SVG')
    .option('--lab', 'in network namespaces whose links have the rates (root, a checkout of the repository)')
    .addOption(new Option('--in-lab <name>', 'the lab that this is in').hideHelp())
    .action(
      run.command(async (context, _, flags) =>
        (await import('./commands/bench-fanout.js')).fanoutBench(context, flags as never),
      ),
    )
}
