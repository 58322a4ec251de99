// Who may import whom. Each rule's comment tells what to do when it is broken.
const numbered = 'content|uploads|plan|jobs|transfer|segment|node|track|store|live|outside'
const composition = '^src/(coordinator|node)\\.ts$|^src/coordinator/'

// What the table of ARCHITECTURE.md lets a room use, beside itself; pure rooms have a rule of their own.
const uses = {
  content: 'base|model|native|pool',
  transfer: 'base|model|native',
  uploads: 'base|model|native',
  node: 'base|model|native|control/schema',
  store: 'base|model',
  outside: 'base|model',
  control: 'base|model',
  sending: 'base|model|native|pool|control',
  native: 'base|model',
  pool: 'base|model|native',
  bench: 'base|model|native|plan',
}
const asTheMapSays = Object.entries(uses).map(([room, others]) => ({
  name: `${room}-as-the-map-says`,
  comment: 'A type that several rooms speak of moves to model; the rest a room is given by coordinator.ts or node.ts.',
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^src/', pathNot: `^src/(${room}|${others})/` },
}))

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'Two files need each other: move what both need to the file of its noun. Types alone may look back.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'base-imports-nothing',
      comment: 'base is below everything: pass in what it needs, or move the code to the room of its noun.',
      severity: 'error',
      from: { path: '^src/base/' },
      to: { path: '^(src|workers|native|test|tools)/', pathNot: '^src/base/' },
    },
    {
      name: 'model-and-config-on-base',
      comment: 'model and config hold words and values: only base (and model) may be below them.',
      severity: 'error',
      from: { path: '^src/(model|config)/' },
      to: { path: '^(src|workers|native|test|tools)/', pathNot: '^src/(base|model|$1)/' },
    },
    {
      name: 'pure-rooms',
      comment: 'plan, jobs and track are pure: take what they need as arguments; I/O belongs to coordinator.ts.',
      severity: 'error',
      from: { path: '^src/(plan|jobs|track)/' },
      to: { pathNot: '^src/(base|model|$1)/' },
    },
    {
      name: 'rooms-do-not-meet',
      comment: 'Numbered rooms meet only in coordinator.ts and node.ts: wire them there, through types of model.',
      severity: 'error',
      from: { path: `^src/(${numbered})/` },
      to: { path: `^src/(${numbered})/`, pathNot: '^src/$1/' },
    },
    {
      name: 'rooms-do-not-know-the-composition',
      comment: 'A room is given what it needs by coordinator.ts or node.ts; it never reaches up to them or to cli.',
      severity: 'error',
      from: { path: `^src/(${numbered})/` },
      to: { path: `${composition}|^src/(cli|client\\.ts)` },
    },
    ...asTheMapSays,
    {
      name: 'workers-behind-the-pool',
      comment: 'Only src/pool knows the tasks of worker threads: call its methods.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/pool/' },
      to: { path: '^workers/' },
    },
    {
      name: 'store-opened-by-coordinator',
      comment: 'Only the coordinator opens the database: give others records or a function.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(store/|coordinator\\.ts$|coordinator/)' },
      to: { path: '^src/store/' },
    },
    {
      name: 'native-behind-door',
      comment: 'Only src/native/load.ts loads an addon: call its typed doors in src/native.',
      severity: 'error',
      from: { path: '^(src|workers)/', pathNot: '^src/native/' },
      to: { path: '^native/|\\.node$' },
    },
    {
      name: 'index-is-a-door',
      comment:
        'src/index.ts and src/client.ts are for users of the package, and the first tells all of the second: import the file that has the thing.',
      severity: 'error',
      from: { path: '^(src|workers)/', pathNot: '^src/index\\.ts$' },
      to: { path: '^src/(index|client)\\.ts$' },
    },
    {
      name: 'cli-over-api',
      comment: 'A command talks to coordinator.ts, node.ts or control/client: put what it lacks into their interface.',
      severity: 'error',
      from: { path: '^src/cli/' },
      to: { path: `^src/(${numbered}|pool)/|^src/coordinator/` },
    },
    {
      name: 'control-asks-the-coordinator',
      comment: 'Routes and the node channel talk to the CoordinatorDoor they are given, never to a room.',
      severity: 'error',
      from: { path: '^src/control/' },
      to: { path: `^src/(${numbered}|pool|native|cli)/|^src/(coordinator|node)(\\.ts$|/)` },
    },
    {
      name: 'workers-carry-out',
      comment: 'A worker runs one native call: it sees native, model and base.',
      severity: 'error',
      from: { path: '^workers/' },
      to: { path: '^src/', pathNot: '^src/(native|model|base)/' },
    },
    {
      name: 'product-without-tests',
      comment: 'What is shipped imports nothing of test, bench or tools.',
      severity: 'error',
      from: { path: '^(src|workers)/' },
      to: { path: '^(test|bench|tools|console)/' },
    },
    {
      name: 'no-orphans',
      comment: 'Nobody imports this file: use it or delete it.',
      severity: 'error',
      from: { orphan: true, path: '^(src|workers)/', pathNot: '^src/(index|cli/main)\\.ts$|\\.d\\.ts$' },
      to: {},
    },
    {
      name: 'no-dev-deps-in-src',
      comment: 'Users do not get development dependencies: move the package to dependencies, with a reason in docs/decisions.',
      severity: 'error',
      from: { path: '^(src|workers)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown'], pathNot: 'native/addon/index' },
    },
    {
      name: 'resolvable',
      comment: 'This import leads nowhere: correct its path.',
      severity: 'error',
      from: { path: '^(src|workers|test)/' },
      to: { couldNotResolve: true, pathNot: '^distributary|native/addon/index' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|native/target)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
