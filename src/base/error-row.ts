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

/** Makes a row: HTTP status, exit code, retryable, message, the way out. */
export const row = (status: number, exit: number, retryable: boolean, message: string, hint: string): ErrorRow => ({
  message,
  status,
  exit,
  retryable,
  hint,
})
