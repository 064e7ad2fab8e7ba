import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { RpcAddress } from '../../client/address.ts'
import { RpcConnectionError } from '../../client/errors.ts'
import { RpcClient, type RpcRequest } from '../../client/rpc.ts'
import type { Exchange } from '../listen.ts'
import { endToEnd, type Answer } from './reply.ts'

/** Asks the backing Kubo for one value. */
export async function askKubo(
  kubo: RpcAddress,
  command: string,
  args: string[],
  options: RpcRequest['options'] = {},
  signal?: AbortSignal
): Promise<unknown> {
  const client = new RpcClient(kubo)
  try {
    return await client.json(command, { args, options, ...(signal != null && { signal }) })
  } catch (error) {
    throw error instanceof RpcConnectionError ? unreachable(kubo, error) : error
  } finally {
    client.close()
  }
}

/** Sends a request on to the backing Kubo as it came, and its answer back, both as they stream. */
export async function passOn(
  { request, signal }: Exchange,
  kubo: RpcAddress,
  answer: Answer
): Promise<void> {
  const headers = endToEnd(request.headers)
  // who may call was decided here; Kubo would judge the page's origin by its own address
  for (const name of ['host', 'origin', 'referer']) delete headers[name]
  const sent = httpRequest({
    ...kubo,
    agent: false,
    method: 'POST',
    path: request.url,
    headers,
    signal
  })
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>
  request.pipe(sent)
  let response: IncomingMessage
  try {
    ;[response] = await answered
  } catch (error) {
    throw signal.aborted ? signal.reason : unreachable(kubo, error as Error)
  }
  try {
    await answer.relay(response, signal)
  } finally {
    request.unpipe(sent)
    sent.destroy()
  }
}

function unreachable(kubo: RpcAddress, error: Error): Error {
  const where = 'socketPath' in kubo ? kubo.socketPath : `${kubo.host}:${kubo.port}`
  return new Error(`the backing Kubo at ${where} does not answer: ${error.message}`, {
    cause: error
  })
}
