import { Agent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { RpcAddress } from './address.ts'
import { codeOf, RpcConnectionError, RpcError } from './errors.ts'
import type { Multipart } from './multipart.ts'

export interface RpcRequest {
  args?: string[]
  options?: Record<string, string | number | boolean | undefined>
  body?: Multipart
  signal?: AbortSignal
}

/**
 * A client of the Kubo RPC API that streams both ways over TCP or a unix socket.
 *
 * kubo-rpc-client brings some 300 packages, cannot reach a unix socket, and knows nothing of
 * `/api/v0/zfs/…`; what the command needs of it is this file.
 */
export class RpcClient {
  readonly address: RpcAddress
  readonly #agent = new Agent({ keepAlive: true })

  constructor(address: RpcAddress) {
    this.address = address
  }

  /** The answer's head; the body is the caller's to read. */
  async open(command: string, input: RpcRequest = {}): Promise<RpcAnswer> {
    const path = `/api/v0/${command}${query(input)}`
    // An upload cannot be sent twice, so it gets a connection of its own.
    let request = this.#request(path, input, input.body == null ? this.#agent : false)
    const upload = send(request, input.body)
    let response: IncomingMessage
    try {
      response = await answerOf(request, upload, input.signal)
    } catch (error) {
      // A server closes what was idle for long, maybe while this request was on its way to it: the
      // one case in which a request that was sent may be sent again (RFC 9112, 9.3.1 and 9.5).
      if (!request.reusedSocket || !(error instanceof RpcConnectionError)) throw error
      request = this.#request(path, input, false)
      request.end()
      response = await answerOf(request, upload, input.signal)
    }
    const answer = new RpcAnswer(response, upload, input.signal)
    if (response.statusCode === 200) return answer
    try {
      throw await answer.error()
    } finally {
      // What is left of the upload interests nobody.
      if (input.body != null) request.destroy()
    }
  }

  #request(path: string, { body, signal }: RpcRequest, agent: Agent | false): ClientRequest {
    return httpRequest({
      ...this.address,
      agent,
      method: 'POST',
      path,
      headers: {
        // Else a failure after the first byte only breaks the connection, and its reason is lost.
        te: 'trailers',
        ...(body != null && { 'content-type': body.contentType })
      },
      ...(signal == null ? {} : { signal })
    })
  }

  /** One JSON object. */
  async json<T>(command: string, input: RpcRequest = {}): Promise<T> {
    const answer = await this.open(command, input)
    return JSON.parse(await answer.text()) as T
  }

  /** One JSON object a line. */
  async *lines<T>(command: string, input: RpcRequest = {}): AsyncGenerator<T> {
    const answer = await this.open(command, input)
    yield* answer.lines<T>()
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** A body that ends with an error when the server could not finish it. */
export class RpcAnswer {
  readonly #response: IncomingMessage
  readonly #upload: Upload
  readonly #signal: AbortSignal | undefined

  constructor(response: IncomingMessage, upload: Upload, signal: AbortSignal | undefined) {
    this.#response = response
    this.#upload = upload
    this.#signal = signal
  }

  /** What the server says the body comes to, in bytes. */
  get totalBytes(): number | undefined {
    const { headers } = this.#response
    const total = Number(headers['x-content-length'] ?? headers['content-length'])
    return Number.isSafeInteger(total) && total >= 0 ? total : undefined
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of this.#response) yield chunk as Uint8Array
    } catch (error) {
      throw failureOf(error, this.#upload, this.#signal)
    }
    const late = this.#response.trailers['x-stream-error']
    if (late != null) throw errorFrom(late, this.#response.statusCode ?? 0)
    if (this.#upload.failure != null) throw this.#upload.failure
  }

  async text(): Promise<string> {
    const chunks: Uint8Array[] = []
    for await (const chunk of this.bytes()) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  }

  async *lines<T>(): AsyncGenerator<T> {
    const decoder = new TextDecoder()
    let held = ''
    for await (const chunk of this.bytes()) {
      const lines = (held + decoder.decode(chunk, { stream: true })).split('\n')
      held = lines.pop() ?? ''
      for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as T
    }
    if (held.trim() !== '') yield JSON.parse(held) as T
  }

  async error(): Promise<RpcError> {
    return errorFrom(await this.text(), this.#response.statusCode ?? 0)
  }
}

interface Upload {
  failure?: Error
}

/** Sends in the background: the server may answer while it still reads. */
function send(request: ClientRequest, body: Multipart | undefined): Upload {
  const upload: Upload = {}
  if (body == null) {
    request.end()
    return upload
  }
  pipeline(source(body, upload), request).catch((error: unknown) => {
    request.destroy(error instanceof Error ? error : new Error(String(error)))
  })
  return upload
}

/** Keeps what went wrong on our side (a file that cannot be read) apart from the network. */
async function* source(body: Multipart, upload: Upload): AsyncGenerator<Uint8Array> {
  try {
    yield* body.body
  } catch (error) {
    upload.failure = error instanceof Error ? error : new Error(String(error))
    throw error
  }
}

function answerOf(
  request: ClientRequest,
  upload: Upload,
  signal: AbortSignal | undefined
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve)
    request.on('error', error => reject(failureOf(error, upload, signal)))
    // An upload that failed before its first byte was sent ends the request without an error.
    request.once('close', () => reject(failureOf(new Error('no answer'), upload, signal)))
  })
}

function failureOf(error: unknown, upload: Upload, signal: AbortSignal | undefined): Error {
  if (signal?.aborted === true) return signal.reason as Error
  if (upload.failure != null) return upload.failure
  if (error instanceof RpcError || error instanceof RpcConnectionError) return error
  const why = error instanceof Error ? error.message : String(error)
  return new RpcConnectionError(`the connection to the node ended early: ${why}`, { cause: error })
}

function errorFrom(text: string, status: number): RpcError {
  const fields = parseObject(text)
  const message = typeof fields['Message'] === 'string' ? fields['Message'] : text.trim()
  const code = typeof fields['ErrorCode'] === 'string' ? fields['ErrorCode'] : codeOf(message)
  return new RpcError(
    message === '' ? `the node answered with status ${status}` : message,
    code,
    status
  )
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value != null ? { ...value } : {}
  } catch {
    return {}
  }
}

function query({ args = [], options = {} }: RpcRequest): string {
  const params = new URLSearchParams()
  for (const arg of args) params.append('arg', arg)
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) params.set(name, String(value))
  }
  const text = params.toString()
  return text === '' ? '' : `?${text}`
}
