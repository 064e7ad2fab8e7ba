import { Agent, request, type IncomingHttpHeaders, type RequestOptions } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  serveStores,
  type DatastoreServer,
  type DatastoreServerOptions
} from '../../../src/http/datastore/server.ts'
import { MemoryStores } from './memory.ts'

export interface Reply {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  json: Record<string, unknown>
}

export interface Rig {
  stores: MemoryStores
  server: DatastoreServer
  socket: string
  call: (method: string, path: string, body?: Uint8Array | string) => Promise<Reply>
  /** Sends bytes as they are, half-closes, and gives all that comes back. */
  raw: (bytes: Uint8Array | string) => Promise<string>
  close: () => Promise<void>
}

/** A server over memory stores, on a socket in a folder of its own. */
export async function rig(options: Partial<DatastoreServerOptions> = {}): Promise<Rig> {
  const folder = await mkdtemp(join(tmpdir(), 'ipfs-zfs-datastore-'))
  const socket = join(folder, 's')
  const stores = new MemoryStores()
  const server = await serveStores({ stores, listen: { path: socket }, ...options })
  const agent = new Agent({ keepAlive: true })
  return {
    stores,
    server,
    socket,
    call: async (method, path, body) => call({ socketPath: socket, agent, method, path }, body),
    raw: async bytes => raw(socket, bytes),
    close: async () => {
      agent.destroy()
      await server.close()
      await rm(folder, { recursive: true, force: true })
    }
  }
}

export async function call(options: RequestOptions, body?: Uint8Array | string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request(options)
    sent.on('error', reject)
    sent.on('response', response => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(pieces)
        const { headers, statusCode: status = 0 } = response
        const isJson = headers['content-type'] === 'application/json' && bytes.byteLength > 0
        const json = isJson ? (JSON.parse(bytes.toString()) as Record<string, unknown>) : {}
        resolve({ status, headers, body: bytes, json })
      })
    })
    if (body != null) {
      sent.setHeader('content-length', Buffer.byteLength(body))
      sent.write(body)
    }
    sent.end()
  })
}

async function raw(socket: string, bytes: Uint8Array | string): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect({ path: socket, allowHalfOpen: true })
    let got = ''
    connection.on('data', (piece: Buffer) => (got += piece.toString('latin1')))
    connection.on('error', reject)
    connection.on('end', () => {
      connection.destroy()
      resolve(got)
    })
    connection.end(bytes)
  })
}

/** The body of a batch; no value: a delete. */
export function batchBody(operations: Array<[key: string, value?: Uint8Array | string]>): Buffer {
  const pieces: Buffer[] = []
  for (const [key, value] of operations) {
    const head = Buffer.alloc(7)
    head.writeUInt8(value == null ? 2 : 1)
    head.writeUInt16BE(Buffer.byteLength(key), 1)
    head.writeUInt32BE(value == null ? 0 : Buffer.byteLength(value), 3)
    pieces.push(head, Buffer.from(key), Buffer.from(value ?? ''))
  }
  const end = Buffer.alloc(5)
  end.writeUInt32BE(operations.length, 1)
  return Buffer.concat([...pieces, end])
}

export interface Listed {
  entries: Array<{ key: string; size?: number; value?: string }>
  /** What the last frame says; absent: the answer was cut off. */
  end?: { complete: number } | { failed: { code: string; message: string } }
}

/** The frames of an answer to a query. */
export function parseFrames(body: Buffer): Listed {
  const entries: Listed['entries'] = []
  for (let at = 0; at < body.byteLength;) {
    const kind = body.readUInt8(at)
    if (kind === 0) {
      return { entries, end: { complete: Number(body.readBigUInt64BE(at + 1)) } }
    }
    if (kind === 255) {
      const length = body.readUInt32BE(at + 1)
      const text = body.toString('utf8', at + 5, at + 5 + length)
      return { entries, end: { failed: JSON.parse(text) as { code: string; message: string } } }
    }
    const keyAt = at + (kind === 1 ? 3 : 7)
    const valueAt = keyAt + body.readUInt16BE(at + 1)
    const key = body.toString('utf8', keyAt, valueAt)
    at = valueAt
    if (kind === 1) {
      entries.push({ key })
      continue
    }
    const size = body.readUInt32BE(keyAt - 4)
    if (kind === 2) {
      entries.push({ key, size })
    } else {
      entries.push({ key, size, value: body.toString('utf8', at, at + size) })
      at += size
    }
  }
  return { entries }
}
