import { type ErrorRow, row } from './error-row.js'

/** What is wrong with content that comes from afar. */
export const uploadFaults = {
  ENGINE_ERR_UPLOAD_UNKNOWN: row(
    404,
    3,
    false,
    'there is no upload {uploadId}',
    'send its manifest again: what has arrived is still here, unless it lay idle for coordinator.uploads.keepMs',
  ),
  ENGINE_ERR_BLOB_UNWANTED: row(
    404,
    3,
    false,
    'upload {uploadId} wants no content {digest}',
    'ask which contents are missing; what the coordinator has already is not sent again',
  ),
  ENGINE_ERR_UPLOAD_RANGE: row(
    416,
    1,
    true,
    'bytes from {offset} on do not fit: {haveBytes} of {sizeBytes} are here',
    'ask with HEAD how much is here, and go on there',
  ),
  ENGINE_ERR_UPLOAD_TAKEN: row(
    409,
    6,
    true,
    'another request sends {digest} now',
    'go on with other contents; the newest request for one goes before',
  ),
  ENGINE_ERR_UPLOAD_INCOMPLETE: row(
    409,
    1,
    true,
    '{missingCount} contents of upload {uploadId} are not here yet',
    'send what is missing, then complete it',
  ),
  ENGINE_ERR_UPLOAD_SLOW: row(
    408,
    1,
    true,
    'only {bytes} bytes arrived in {ms} ms',
    'go on where it stands: what arrived is kept',
  ),
  ENGINE_ERR_UPLOAD_STALLED: row(
    504,
    1,
    true,
    'nothing more of upload {uploadId} arrived for {ms} ms, and {missingCount} contents are missing',
    'run the same publish again: it goes on where it stood',
  ),
  ENGINE_ERR_UPLOAD_LIMIT: row(
    507,
    10,
    true,
    '{what} needs {needBytes} bytes, and uploads may hold {haveBytes} more',
    'wait until others are published, or raise coordinator.uploads.maxBytes',
  ),
} as const satisfies Readonly<Record<string, ErrorRow>>
