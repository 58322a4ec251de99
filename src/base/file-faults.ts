import { type ErrorRow, row } from './error-row.js'

/** What is wrong with a file of a node that somebody wants to see. */
export const fileFaults = {
  ENGINE_ERR_PATH_UNKNOWN: row(
    404,
    3,
    false,
    'there is no {path}',
    'list the directory above it with `engine ls`; names are bytes, and % stands before two hexadecimal digits',
  ),
  ENGINE_ERR_NOT_A_FILE: row(
    422,
    2,
    false,
    '{path} is a {kind}, and only files are given',
    'see what it is with `engine stat`; a directory comes with `engine get -r`, and a link is not followed',
  ),
  ENGINE_ERR_NOT_A_DIRECTORY: row(
    422,
    2,
    false,
    '{path} is a {kind}, and only directories are listed',
    'see what it is with `engine stat`',
  ),
  ENGINE_ERR_EDIT_REFUSED: row(
    409,
    1,
    false,
    '{path} cannot be changed so: {why}',
    'nothing was changed; see what is there with `engine stat` and `engine ls`',
  ),
  ENGINE_ERR_EDIT_OF_NODE: row(
    422,
    2,
    false,
    'nothing is written to {node} alone: a release is the same on every node',
    'write to all nodes that serve the site: :/site/path',
  ),
  ENGINE_ERR_CONTENT_MISSING: row(
    409,
    1,
    true,
    'the content {digest} of {path} is not here',
    'send it first: docs/guide/files.md says how; what nobody asked for is kept for coordinator.uploads.keepMs',
  ),
  ENGINE_ERR_FILE_CHANGED: row(
    409,
    1,
    true,
    '{path} changed while it was read',
    'ask again; if nobody publishes, somebody changes files on the node: see `engine verify`',
  ),
  ENGINE_ERR_FILE_DAMAGED: row(
    502,
    8,
    false,
    '{path} is not what was published there',
    'what came was put aside; have the node mended with `engine verify --repair`, then ask again',
  ),
  ENGINE_ERR_FILE_RANGE: row(
    416,
    2,
    false,
    'bytes {range} are not in a file of {sizeBytes} bytes',
    'ask for a range within the file',
  ),
  ENGINE_ERR_TRANSFER_UNKNOWN: row(
    404,
    3,
    false,
    'nobody waits for this file',
    'nothing is to be done: who asked for it has gone, or has it',
  ),
} as const satisfies Readonly<Record<string, ErrorRow>>
