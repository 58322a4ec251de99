import type { FastifyError } from 'fastify'
import { type ErrorCode, EngineError, toEngineError } from '../base/errors.js'
import { HTTP_BODY_BYTES_MAX } from '../base/limits.js'
import type { Problem } from './schema/problem.js'

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

type Pointers = NonNullable<Problem['errors']>

/** The facts that may leave the process: plain values, not the objects an error carries for the log. */
function plainDetails(details: Readonly<Record<string, unknown>>): Record<string, string | number | boolean> {
  const plain: Record<string, string | number | boolean> = {}
  for (const [key, value] of Object.entries(details)) {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') plain[key] = value
  }
  return plain
}

/** The same for every error of a code, as RFC 9457 section 3.1.3 has it: the code in words. */
function titleOf(code: ErrorCode): string {
  const words = code.slice('ENGINE_ERR_'.length).toLowerCase().replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** The problem document of an error, as RFC 9457 has it, with the code callers switch on. */
export function toProblem(error: EngineError, errors?: Pointers): Problem {
  return {
    type: `docs/reference/errors.md#${error.code.toLowerCase()}`,
    title: titleOf(error.code),
    status: error.status,
    detail: error.message,
    code: error.code,
    hint: error.hint,
    retryable: error.retryable,
    details: plainDetails(error.details),
    ...(errors === undefined ? {} : { errors }),
  }
}

const frameworkCodes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'ENGINE_ERR_BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'ENGINE_ERR_MEDIA_TYPE',
}

/** One refused field: where it is, and why. */
function pointersOf(error: FastifyError): Pointers | undefined {
  const where = error.validationContext ?? 'body'
  return error.validation?.map(({ instancePath, message }) => ({
    pointer: `${where}${instancePath === '/' ? '' : instancePath}`,
    detail: message ?? 'not valid',
  }))
}

/**
 * Makes the answer of anything a route threw: errors of ours as they are, what the framework found
 * wrong with the request as ENGINE_ERR_INVALID_ARGUMENT and its kin, the rest as ENGINE_ERR_INTERNAL.
 */
export function problemOf(error: FastifyError, contentType: string | undefined): Problem {
  if (error instanceof EngineError) return toProblem(error)
  const pointers = pointersOf(error)
  if (pointers !== undefined && pointers.length > 0) {
    const why = pointers.map(({ pointer, detail }) => `${pointer}: ${detail}`).join('; ')
    return toProblem(new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the request', why }), pointers)
  }
  const known = frameworkCodes[error.code]
  if (known !== undefined) {
    const facts = { limit: HTTP_BODY_BYTES_MAX, type: contentType ?? 'unknown' }
    return toProblem(new EngineError(known, facts, { cause: error }))
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    const facts = { what: 'the request', why: error.message }
    return toProblem(new EngineError('ENGINE_ERR_INVALID_ARGUMENT', facts, { cause: error }))
  }
  return toProblem(toEngineError(error))
}
