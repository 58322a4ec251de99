import { z } from 'zod'
import { named } from './registry.js'

/** RFC 9457, with what callers switch on: `code` of the error table. */
export interface Problem {
  /** Page of the code in the documentation, relative to the repository. */
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly hint: string
  readonly retryable: boolean
  /** Facts that fill the text: strings, numbers and truth values only. */
  readonly details?: Readonly<Record<string, string | number | boolean>> | undefined
  /** Which fields of the request were wrong. */
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[] | undefined
}

export const problem: z.ZodType<Problem> = named(
  'Problem',
  z.object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string().describe('Stable; docs/reference/errors.md lists them.'),
    hint: z.string().describe('The way out.'),
    retryable: z.boolean(),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  }),
)
