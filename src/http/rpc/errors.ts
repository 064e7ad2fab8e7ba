import { IpfsZfsError } from '../../errors.ts'

/** The request does not fit the command: 400 and plain text, before anything runs. */
export class BadRequestError extends Error {
  override readonly name = 'BadRequestError'
}

/** The caller's fault, found while the command ran: 400 and Kubo's code for it. */
export class ClientError extends Error {
  override readonly name = 'ClientError'
}

export interface ErrorBody {
  status: number
  body: { Message: string; Code: number; Type: 'error'; ErrorCode?: string }
}

/** What Kubo refuses too, in the same words. */
const kubosOwn = ['ERR_NOT_FOUND', 'ERR_INVALID_PARAMETERS']

/** In Kubo's shape; failures that only this node has show their code beside it. */
export function errorBody(error: unknown): ErrorBody {
  const isClients = error instanceof ClientError
  const code = error instanceof IpfsZfsError ? error.code : undefined
  const ownCode = code == null || kubosOwn.includes(code) ? undefined : code
  return {
    status: isClients ? 400 : 500,
    body: {
      Message: errorText(error),
      Code: isClients ? 1 : 0,
      Type: 'error',
      ...(ownCode == null ? {} : { ErrorCode: ownCode })
    }
  }
}

export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return 'context deadline exceeded'
  return error.message
}
