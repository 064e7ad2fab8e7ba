/** A node on a repo in memory with its servers, and raw requests to them. */
import {
  request as httpRequest,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders
} from 'node:http'
import { startNode, type NodeOptions, type RunningNode } from '../../src/node/node.ts'
import type { Repo } from '../../src/repo/types.ts'
import { memoryRepo } from './memory-repo.ts'

export interface Served {
  running: RunningNode
  repo: Repo
  rpc: number
  gateway: number
}

export async function serveNode(options: Partial<NodeOptions> = {}): Promise<Served> {
  const repo = options.repo ?? memoryRepo()
  const running = await startNode({ repo, rpc: { port: 0 }, gateway: { port: 0 }, ...options })
  const port = (address: RunningNode['rpcAddress']) =>
    address != null && 'port' in address ? address.port : 0
  return { running, repo, rpc: port(running.rpcAddress), gateway: port(running.gatewayAddress) }
}

export interface SentFile {
  name: string
  body?: Uint8Array | string
  type?: string
}

export interface Answered {
  status: number
  headers: IncomingHttpHeaders
  trailers: Record<string, string | undefined>
  body: Buffer
  /** The connection ended before the answer did. */
  broken: boolean
}

export interface SendOptions {
  method?: string
  path: string
  headers?: OutgoingHttpHeaders
  body?: Uint8Array | string
}

export async function send(port: number, options: SendOptions): Promise<Answered> {
  const { method = 'POST', path, headers = {}, body } = options
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ port, host: '127.0.0.1', method, path, headers, agent: false })
    sent.on('error', reject)
    sent.on('response', response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', () => {})
      response.on('close', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          trailers: response.trailers,
          body: Buffer.concat(chunks),
          broken: !response.complete
        })
      )
    })
    sent.end(body)
  })
}

const boundary = 'a boundary of the tests'

export function form(files: SentFile[]): { body: Buffer; headers: OutgoingHttpHeaders } {
  const pieces = files.flatMap(({ name, body = '', type = 'application/octet-stream' }) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; ` +
        `filename="${encodeURIComponent(name)}"\r\nContent-Type: ${type}\r\n\r\n`
    ),
    Buffer.from(body),
    Buffer.from('\r\n')
  ])
  return {
    body: Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]),
    headers: { 'content-type': `multipart/form-data; boundary="${boundary}"` }
  }
}

/** Calls a command; `files` become a form. */
export async function call(port: number, command: string, files?: SentFile[]): Promise<Answered> {
  const path = `/api/v0/${command}`
  return send(port, files == null ? { path } : { path, ...form(files) })
}

export function lines<T = Record<string, unknown>>(answer: Answered): T[] {
  const text = answer.body.toString().trim()
  return text === '' ? [] : text.split('\n').map(line => JSON.parse(line) as T)
}

export async function json<T = Record<string, unknown>>(
  port: number,
  command: string,
  files?: SentFile[]
): Promise<T> {
  const answer = await call(port, command, files)
  if (answer.status !== 200) throw new Error(`${command}: ${answer.status} ${String(answer.body)}`)
  return JSON.parse(answer.body.toString()) as T
}

export async function message(port: number, command: string, files?: SentFile[]): Promise<string> {
  const answer = await call(port, command, files)
  return `${answer.status} ${(JSON.parse(answer.body.toString()) as { Message: string }).Message}`
}
