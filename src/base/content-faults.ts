import { type ErrorRow, row } from './error-row.js'

const peerHint = 'the link was closed; if this repeats, run the same release of distributary on both sides'

/** What is wrong with content, assignments and trees. */
export const contentFaults = {
  ENGINE_ERR_SOURCE_MISSING: row(
    404,
    3,
    false,
    'there is no directory {path}',
    'name a directory of the machine that runs the coordinator',
  ),
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
    'the release is fetched again by itself; if this repeats, check disk and memory of the machine that the log names',
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
  ENGINE_ERR_PEER_LINK: row(422, 1, true, "a peer's message came on a link that is not known", peerHint),
  ENGINE_ERR_PEER_ASSIGNMENT: row(422, 1, true, 'a peer asked for another assignment than is served here', peerHint),
  ENGINE_ERR_PEER_STRAND: row(422, 1, true, 'a peer named a strand that can not be', peerHint),
  ENGINE_ERR_PEER_RANGE: row(
    422,
    1,
    true,
    'a peer named chunks beyond the end of the assignment, or out of order',
    peerHint,
  ),
  ENGINE_ERR_PEER_FLOOD: row(422, 1, true, 'a peer asked for the same over and over', peerHint),
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
} as const satisfies Readonly<Record<string, ErrorRow>>
