import type { Node } from '../../node/node.ts'
import { serve, type Exchange, type HttpServer, type ListenOptions } from '../listen.ts'
import { passOn } from './backing-kubo.ts'
import { cidWriter } from './cid-text.ts'
import type { Command, RpcRequest } from './command.ts'
import { commandAt } from './commands.ts'
import { BadRequestError } from './errors.ts'
import { multipartBoundary, readMultipart, type Part } from './multipart.ts'
import { globalOptions, Options, parseDuration } from './options.ts'
import { OriginRules } from './origin.ts'
import { Answer } from './reply.ts'

const apiPrefix = '/api/v0/'
/** Arguments may come in the body, one a line, instead of in the query. */
const bodyArgsBytesMax = 16 * 1024 * 1024

/** Serves the Kubo RPC API of a node. */
export async function startRpc(node: Node, listen: ListenOptions): Promise<HttpServer> {
  let rules: OriginRules | undefined
  const server = await serve(
    listen,
    async exchange => {
      rules ??= new OriginRules(server.address)
      await handle(exchange, node, rules)
    },
    node.log
  )
  return server
}

async function handle(exchange: Exchange, node: Node, rules: OriginRules): Promise<void> {
  const { request } = exchange
  const url = new URL(request.url ?? '/', 'http://node')
  if (!url.pathname.startsWith(apiPrefix)) {
    return new Answer(exchange, {}).text(404, '404 page not found')
  }
  const answer = new Answer(exchange, rules.headers(request.headers))
  const allow = { allow: 'OPTIONS, POST' }
  if (request.method === 'OPTIONS') {
    const isPreflight = request.headers['access-control-request-method'] != null
    return answer.empty(204, isPreflight ? rules.preflightHeaders(request.headers) : allow)
  }
  if (request.method !== 'POST') return answer.text(405, '405 - Method Not Allowed', allow)
  if (!rules.allows(request.headers)) return answer.text(403, '403 - Forbidden')
  const found = commandAt(decodePath(url.pathname.slice(apiPrefix.length)))
  try {
    if (node.kubo != null && isKubos(found?.command, node)) {
      return await passOn(exchange, node.kubo, answer)
    }
    if (found == null) return answer.text(404, '404 page not found')
    await run(exchange, node, found, url.searchParams, answer)
  } catch (error) {
    await answer.fail(error)
  }
}

/** What the backing Kubo answers: all that is no command here, and who the peers see. */
function isKubos(command: Command | undefined, { network }: Node): boolean {
  return command == null || (command.ofNetwork === true && network == null)
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

async function run(
  exchange: Exchange,
  node: Node,
  found: { command: Command; pathArgs: string[] },
  query: URLSearchParams,
  answer: Answer
): Promise<void> {
  const { command, pathArgs } = found
  const options = new Options(query, [...(command.options ?? []), ...globalOptions])
  const timeout = options.text('timeout')
  const signals = [exchange.signal]
  if (timeout != null) signals.push(AbortSignal.timeout(parseDuration(timeout)))
  const signal = AbortSignal.any(signals)
  const parts = bodyParts(exchange, command)
  const given = [...pathArgs, ...query.getAll('arg')]
  const request: RpcRequest = {
    args: await stringArgs(command, given, parts),
    options,
    signal,
    offline: options.bool('offline'),
    parts: () => parts ?? noParts(),
    cidText: cidWriter(options)
  }
  try {
    await answer.send(await command.run(request, node), signal)
  } catch (error) {
    // whatever came of it, this is why
    throw signal.aborted ? signal.reason : error
  }
}

async function* noParts(): AsyncGenerator<Part> {}

function bodyParts({ request }: Exchange, command: Command): AsyncIterable<Part> | undefined {
  const boundary = multipartBoundary(request.headers['content-type'])
  if (boundary != null) return readMultipart(request, boundary)
  if (command.file != null) throw new BadRequestError(`file argument '${command.file}' is required`)
  return undefined
}

/** From the query; when it has none, from the first file of the body, one a line. */
async function stringArgs(
  command: Command,
  given: string[],
  parts: AsyncIterable<Part> | undefined
): Promise<string[]> {
  if (command.args == null) return []
  if (given.length > 0) return given
  if (parts != null) {
    for await (const { content } of parts) {
      const lines = await readLines(content)
      if (lines.length > 0) return lines
    }
  }
  if (!command.args.required) return []
  throw new BadRequestError(`argument ${JSON.stringify(command.args.name)} is required`)
}

async function readLines(content: AsyncIterable<Uint8Array>): Promise<string[]> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of content) {
    pieces.push(piece)
    bytes += piece.byteLength
    if (bytes > bodyArgsBytesMax) throw new BadRequestError('too many arguments in the body')
  }
  const lines = Buffer.concat(pieces).toString().split('\n')
  return lines.map(line => line.trim()).filter(line => line !== '')
}
