import { NotFoundError } from '../../errors.ts'

/** A request that cannot be answered, and the status and code that say so. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly status: number
  readonly code: string
  /** What a client can use to do better, beside the message. */
  readonly details: Record<string, unknown>

  constructor(
    status: number,
    code: string,
    message: string,
    details: Record<string, unknown> = {}
  ) {
    super(message)
    this.status = status
    this.code = code
    this.details = details
  }
}

export function malformed(code: string, message: string): RequestError {
  return new RequestError(400, code, message)
}

export interface Failure {
  status: number
  body: { code: string; message: string; [detail: string]: unknown }
}

/** By the codes of errors.ts. What is not listed is our fault: 500. */
const STATUS: Record<string, number> = {
  ERR_INVALID_PARAMETERS: 400,
  ERR_TOO_LARGE: 413,
  ERR_NO_SPACE: 507,
  ERR_BUSY: 503,
  ERR_CLOSED: 503,
  ERR_POOL_SUSPENDED: 503
}

export function failureOf(error: unknown): Failure {
  if (error instanceof RequestError) {
    const { status, code, message, details } = error
    return { status, body: { code, message, ...details } }
  }
  if (error instanceof NotFoundError) {
    return { status: 404, body: { code: 'ERR_NOT_FOUND', message: error.message } }
  }
  if (!(error instanceof Error)) {
    return { status: 500, body: { code: 'ERR_INTERNAL', message: String(error) } }
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'ERR_INTERNAL'
  return { status: STATUS[code] ?? 500, body: { code, message: error.message } }
}
