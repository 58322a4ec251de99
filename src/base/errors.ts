// The ground under every room: errors, units, limits, clock, randomness, log, metrics.
// In: nothing of ours. Out: the words and tools all rooms share; this file holds the error table.
// Never: a decision about content, jobs or nodes; an import from another room.

/** One row of the error table. Placeholders in braces are filled from the error's details. */
export interface ErrorRow {
  readonly message: string
  /** HTTP status of the problem document. */
  readonly status: number
  /** Exit code of the command line. */
  readonly exit: number
  /** True when the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean
  /** The way out, said to a person. */
  readonly hint: string
}

const row = (status: number, exit: number, retryable: boolean, message: string, hint: string): ErrorRow => ({
  message,
  status,
  exit,
  retryable,
  hint,
})

/** Every error a caller can meet. Adding a code: a row here, then `npm run docs`. */
export const errorTable = {
  // Asked wrongly.
  ENGINE_ERR_INVALID_ARGUMENT: row(400, 2, false, '{what} is not valid: {why}', 'correct {what} and call again'),
  ENGINE_ERR_CONFIG_INVALID: row(
    400,
    2,
    false,
    'the configuration is not valid: {problems}',
    'correct the named fields; docs/reference/config.md lists every field with its default',
  ),
  ENGINE_ERR_INSECURE_LISTEN: row(
    400,
    2,
    false,
    '{field} listens on {host}, which others can reach, and nothing checks who they are',
    'listen on 127.0.0.1, or accept the risk on a trusted network with insecure: true (--insecure)',
  ),
  ENGINE_ERR_SITE_UNKNOWN: row(
    404,
    3,
    false,
    'there is no site {site}',
    'see `engine status` for the sites; the first publish of a site creates it',
  ),
  ENGINE_ERR_RELEASE_UNKNOWN: row(
    404,
    3,
    false,
    'release {site}@{release} is not kept',
    'choose one of the kept releases that `engine status` lists, or publish the content again',
  ),
  ENGINE_ERR_JOB_UNKNOWN: row(
    404,
    3,
    false,
    'there is no job {jobId}',
    'see `engine jobs`; old finished jobs are dropped',
  ),
  ENGINE_ERR_NODE_UNKNOWN: row(
    404,
    3,
    false,
    'there is no node {nodeId}',
    'see `engine nodes` for the nodes that have joined',
  ),
  ENGINE_ERR_ROUTE_UNKNOWN: row(
    404,
    3,
    false,
    'there is nothing at {method} {path}',
    'see /openapi.json for the routes',
  ),
  ENGINE_ERR_BODY_TOO_LARGE: row(
    413,
    2,
    false,
    'the request is larger than {limit} bytes',
    'send a job request only; content is read from the staging directory',
  ),
  ENGINE_ERR_MEDIA_TYPE: row(415, 2, false, 'a body of type {type} is not read', 'send JSON as application/json'),
  ENGINE_ERR_ORIGIN_REFUSED: row(
    403,
    4,
    false,
    'a request for {host} from {origin} is refused',
    'ask the coordinator under the address it listens on, and not from a page of another site',
  ),
  ENGINE_ERR_CHANNEL_PROTOCOL: row(
    400,
    1,
    false,
    'what came over the node channel is not in the protocol: {why}',
    'run the same release of distributary on both sides',
  ),
  ENGINE_ERR_COORDINATOR_CHANGED: row(
    409,
    2,
    false,
    'this node belongs to coordinator {ours}, and {theirs} answered at {url}',
    'join the coordinator it belongs to, or give the node an empty data directory',
  ),
  ENGINE_ERR_RELEASE_CONFLICT: row(
    409,
    6,
    false,
    '{site}@{release} is live here with other content',
    'publish the content again: it gets a new release number',
  ),
  ENGINE_ERR_IDENTITY_DAMAGED: row(
    500,
    1,
    false,
    'the identity in {path} cannot be read: {why}',
    'put back the file, or move it away to join as a new node under another name',
  ),
  ENGINE_ERR_GROUP_EMPTY: row(
    409,
    7,
    true,
    'no node has joined group {group}',
    'start one: engine node --join URL --group {group}',
  ),
  ENGINE_ERR_CONFLICT: row(
    409,
    6,
    true,
    '{what} is in the way: {why}',
    'wait until it is done, or stop it with `engine abort`',
  ),
  ENGINE_ERR_JOB_STATE: row(
    409,
    6,
    false,
    'job {jobId} is {state} and cannot be {action}',
    'see its state with `engine jobs`',
  ),
  ENGINE_ERR_NODE_NAME_TAKEN: row(
    409,
    2,
    false,
    'the name {name} belongs to node {nodeId}',
    'give this node another name (node.name, --name), or its old data directory if it is the same machine',
  ),
  ENGINE_ERR_VERSION_MISMATCH: row(
    400,
    1,
    false,
    '{peer} speaks version {theirs} of the {channel}, this process speaks {ours}',
    'run the same release of distributary on both sides',
  ),

  // Guard rails.
  ENGINE_ERR_MASS_DELETE: row(
    409,
    10,
    false,
    'this publish deletes {filesDeleted} of {fileCount} files, more than {limit}',
    'check the directory; if this is meant, raise the guard with --max-delete 100%',
  ),
  ENGINE_ERR_EMPTY_SOURCE: row(
    409,
    10,
    false,
    '{directory} holds no file',
    'check the directory; if an empty site is meant, say --allow-empty',
  ),
  ENGINE_ERR_QUORUM: row(
    409,
    7,
    true,
    '{ready} of {total} nodes are ready, {needed} are needed: nothing was switched',
    'see `engine nodes` for who is missing and why, then publish again',
  ),

  // Content.
  ENGINE_ERR_SOURCE_UNREADABLE: row(
    422,
    1,
    false,
    '{path} cannot be read: {why}',
    'let the user that runs the coordinator read it, or take it out of the directory',
  ),
  ENGINE_ERR_SPECIAL_FILE: row(
    422,
    1,
    false,
    '{path} is a {kind}; only files, directories and links are published',
    'take it out of the directory',
  ),
  ENGINE_ERR_FILE_CHANGING: row(
    409,
    1,
    true,
    '{path} changed each time it was read',
    'publish again when whatever writes it has finished',
  ),
  ENGINE_ERR_PATH_ESCAPES: row(
    422,
    1,
    false,
    '{path} leads outside its root',
    'nothing outside was touched; find out who made this path, then publish the content again',
  ),
  ENGINE_ERR_ASSIGNMENT_CORRUPT: row(
    422,
    1,
    true,
    'the assignment cannot be read: {why}',
    'it is fetched again by itself; if this repeats, check the disk and memory of the machine named in the log',
  ),
  ENGINE_ERR_TREE_CORRUPT: row(
    422,
    1,
    true,
    'the list of what a release holds cannot be read: {why}',
    'the release is fetched again by itself; if this repeats, check the disk and memory of the machine named in the log',
  ),
  ENGINE_ERR_VOUCH_INVALID: row(
    422,
    1,
    true,
    'what should vouch for chunks cannot be trusted: {why}',
    'another source is asked by itself; if this repeats, look at the peer that the log names',
  ),
  ENGINE_ERR_PEER_MESSAGE: row(
    400,
    1,
    true,
    'a peer sent what is not in the protocol: {why}',
    'another source is asked by itself; run the same release of distributary on all nodes',
  ),
  ENGINE_ERR_DIGEST_MISMATCH: row(
    422,
    1,
    true,
    '{what} does not have the digest that was promised',
    'it is fetched again by itself; if this repeats, check the disk and memory of the machine named in the log',
  ),
  ENGINE_ERR_TREE_MISMATCH: row(
    422,
    1,
    true,
    'the staged tree is not the promised one: {why}',
    'nothing was switched; look for who changes files under the data directory, then publish again',
  ),
  ENGINE_ERR_BASE_MISSING: row(
    409,
    1,
    true,
    'the base release {release} is not held here',
    'the coordinator sends a whole copy by itself; nothing is to be done',
  ),
  ENGINE_ERR_NO_SPACE: row(
    507,
    1,
    true,
    'no space left for {path}',
    'free space on that disk; the job goes on when it is tried again',
  ),

  // This process and its machine.
  ENGINE_ERR_DATA_DIR_IN_USE: row(
    409,
    1,
    true,
    '{path} is in use by process {pid}',
    'stop that process, or give this one another data directory',
  ),
  ENGINE_ERR_DATA_DIR_UNWRITABLE: row(
    500,
    2,
    false,
    '{path} cannot be written: {why}',
    'create it and give it to the user that runs the engine, or choose another data directory',
  ),
  ENGINE_ERR_PORT_IN_USE: row(
    409,
    2,
    true,
    '{host}:{port} is already in use',
    'stop what listens there, or choose another port',
  ),
  ENGINE_ERR_LISTEN: row(
    500,
    2,
    false,
    'cannot listen on {host}:{port}: {why}',
    'choose an address of this machine and a port above 1023',
  ),
  ENGINE_ERR_DATABASE_DAMAGED: row(
    500,
    1,
    false,
    'the database {path} is damaged: {why}',
    'stop the coordinator and put back a backup; the nodes keep serving what is live',
  ),
  ENGINE_ERR_DATABASE_BUSY: row(
    503,
    1,
    true,
    'the database {path} is locked by another program',
    'close the program that has it open, then try again',
  ),
  ENGINE_ERR_DATABASE_NEWER: row(
    500,
    1,
    false,
    'the database {path} was written by a newer release ({found})',
    'run that release again, or put back a backup made before the upgrade',
  ),
  ENGINE_ERR_JOURNAL_DAMAGED: row(
    500,
    1,
    false,
    'the journal {path} is damaged at byte {offset}',
    'nothing was deleted; move the journal away and start again: the node asks the coordinator what it should hold',
  ),
  ENGINE_ERR_NATIVE_MISSING: row(
    500,
    1,
    false,
    'the native addon {name} cannot be loaded: {why}',
    'build it with `npm run build` (needs a C++ compiler and Rust)',
  ),
  ENGINE_ERR_NATIVE_CLOSED: row(409, 1, false, '{what} is closed', 'open it again before using it'),
  ENGINE_ERR_KERNEL: row(
    500,
    1,
    false,
    'this kernel lacks {what}',
    'run Linux 5.6 or newer; `engine doctor` shows what is missing',
  ),
  ENGINE_ERR_IO: row(
    500,
    1,
    true,
    '{what}: {why}',
    'look at the named file or address; `engine doctor` checks disk and network',
  ),
  ENGINE_ERR_INTERNAL: row(
    500,
    1,
    false,
    'something is wrong in distributary itself: {why}',
    'please report it with the log around this moment',
  ),

  // Running work and other processes.
  ENGINE_ERR_CANCELLED: row(
    499,
    130,
    true,
    '{what} was cancelled',
    'start it again when you like; nothing half-done is visible',
  ),
  ENGINE_ERR_TIMEOUT: row(504, 124, true, '{what} took longer than {ms} ms', 'try again, or allow more time'),
  ENGINE_ERR_JOB_ABORTED: row(
    409,
    1,
    false,
    'job {jobId} was aborted before anything was switched',
    'publish again when you like',
  ),
  ENGINE_ERR_JOB_FAILED: row(409, 1, false, 'job {jobId} failed: {why}', 'see `engine receipts {jobId}` for each node'),
  ENGINE_ERR_COORDINATOR_UNREACHABLE: row(
    503,
    5,
    true,
    'no coordinator answers at {url}: {why}',
    'start it with `engine serve`, or say where it is with --url or ENGINE_URL',
  ),
  ENGINE_ERR_CLOSING: row(503, 5, true, 'this process is shutting down', 'try again in a moment'),
  ENGINE_ERR_OVERLOADED: row(503, 1, true, 'too many {what} at once', 'try again in a moment'),
  ENGINE_ERR_NODE_SILENT: row(
    504,
    8,
    true,
    '{name} has not answered for {seconds} s',
    'start the node or mend its network; it gets what it missed when it returns',
  ),
  ENGINE_ERR_RELAY_REFUSED: row(
    409,
    1,
    true,
    'a peer refused the transfer: {why}',
    'another source is tried by itself; see the log of the peer if this repeats',
  ),
  ENGINE_ERR_RELAY_PROTOCOL: row(
    422,
    1,
    true,
    'a peer sent what is not in the protocol: {why}',
    'the link was closed; run the same release of distributary on both sides',
  ),
  ENGINE_ERR_RELAY_SESSION: row(
    404,
    1,
    true,
    'there is no open session for {what}',
    'the transfer is opened again by itself',
  ),
  ENGINE_ERR_RELAY_STALLED: row(
    504,
    1,
    true,
    'no source has what is missing of {what}',
    'start a node that holds it, or the coordinator; the transfer goes on by itself',
  ),
} as const satisfies Readonly<Record<string, ErrorRow>>

/** What callers switch on. */
export type ErrorCode = keyof typeof errorTable

/** All codes, in the order of the table. */
export const errorCodes: readonly ErrorCode[] = Object.keys(errorTable) as ErrorCode[]

/** Facts of one error: they fill the placeholders and go into logs and problem documents. */
export type ErrorDetails = Readonly<Record<string, unknown>>

const brand = Symbol.for('distributary.EngineError')

/** Says whether `value` is a code of the table. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorTable, value)
}

function fill(template: string, details: ErrorDetails): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = details[name]
    return value === undefined || value === null ? `(${name} not known)` : String(value)
  })
}

/**
 * The one error class. Switch on `code`, never on the text. Two copies of the package agree on
 * `instanceof`, because the class is recognised by a registered symbol.
 */
export class EngineError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails
  readonly retryable: boolean
  /** The way out, with the details filled in. */
  readonly hint: string

  /**
   * @param code  a row of the table.
   * @param details  facts; those named in the row's braces fill its text.
   * @param options.cause  what was caught; `message` and `hint` replace the table's text (errors from elsewhere bring theirs).
   */
  constructor(
    code: ErrorCode,
    details: ErrorDetails = {},
    options: { cause?: unknown; message?: string; hint?: string } = {},
  ) {
    const found: ErrorRow = errorTable[code]
    super(options.message ?? fill(found.message, details), 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'EngineError'
    this.code = code
    this.details = details
    this.retryable = found.retryable
    this.hint = options.hint ?? fill(found.hint, details)
    Object.defineProperty(this, brand, { value: true })
  }

  get status(): number {
    return errorTable[this.code].status
  }

  get exitCode(): number {
    return errorTable[this.code].exit
  }

  /** The part that is stored with a job and sent to others. */
  toReport(): { code: ErrorCode; message: string; hint: string } {
    return { code: this.code, message: this.message, hint: this.hint }
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && Reflect.get(value, brand) === true
  }
}

interface SystemError {
  readonly code?: unknown
  readonly message?: unknown
}

const systemCodes: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'ENGINE_ERR_NO_SPACE',
  EDQUOT: 'ENGINE_ERR_NO_SPACE',
  EADDRINUSE: 'ENGINE_ERR_PORT_IN_USE',
  ABORT_ERR: 'ENGINE_ERR_CANCELLED',
}

/**
 * Makes an EngineError of anything that was caught; an EngineError comes back as it is. Codes of
 * the table that a native error carries are kept with its text; errors of the system become
 * NO_SPACE, PORT_IN_USE, CANCELLED or IO; the rest is INTERNAL.
 */
export function toEngineError(error: unknown, details: ErrorDetails = {}): EngineError {
  if (error instanceof EngineError) return error
  const { code, message }: SystemError = typeof error === 'object' && error !== null ? error : {}
  const text = typeof message === 'string' ? message : String(error)
  if (isErrorCode(code)) return new EngineError(code, details, { cause: error, message: text })
  const facts = { what: 'the operation', why: text, ...details }
  if (typeof code !== 'string') return new EngineError('ENGINE_ERR_INTERNAL', facts, { cause: error })
  const mapped = systemCodes[code] ?? (/^E[A-Z0-9]+$/.test(code) ? 'ENGINE_ERR_IO' : 'ENGINE_ERR_INTERNAL')
  return new EngineError(mapped, facts, { cause: error })
}
