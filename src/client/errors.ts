/** What an RPC server answered instead of a result. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  /** A stable code of src/errors.ts when the server gave one, else `ERR_RPC`. */
  readonly code: string
  readonly status: number

  constructor(message: string, code: string, status: number) {
    super(message)
    this.code = code
    this.status = status
  }
}

/** The connection failed, or ended in the middle of an answer. */
export class RpcConnectionError extends Error {
  override readonly name = 'RpcConnectionError'
  readonly code = 'ERR_RPC_CONNECTION'
}

/** Of failures that Kubo's shape gives no code. */
export function codeOf(message: string): string {
  return /could not find|block was not found/.test(message) ? 'ERR_NOT_FOUND' : 'ERR_RPC'
}
