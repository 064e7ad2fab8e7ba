import { request } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { readFile } from 'node:fs/promises'
import { pino } from 'pino'
import { parseDatastoreAddress } from '../http/datastore/address.ts'
import { DatastoreUnreachableError } from './errors.ts'

/** How a Kubo is told to reach the datastore. */
export interface Door {
  /** `unix:PATH` or `host:port`. */
  address: string
  tokenFile?: string
  caFile?: string
}

/** What a daemon says of itself at `GET /`. */
export interface Hello {
  versions: number[]
  maxBytes: number
}

const TIMEOUT_MS = 10_000

/** Asks the daemon at the door for its versions and size. */
export async function greet(door: Door): Promise<Hello> {
  const address = parseDatastoreAddress(door.address)
  const where = 'path' in address ? { socketPath: address.path } : address
  const headers: Record<string, string> = {}
  if (door.tokenFile != null) {
    headers['authorization'] = `Bearer ${(await readFile(door.tokenFile, 'utf8')).trim()}`
  }
  const options = { ...where, path: '/', headers, timeout: TIMEOUT_MS }
  const answer = await new Promise<{ status: number; body: string }>((resolve, reject) => {
    const unreachable = (why: string): void =>
      reject(new DatastoreUnreachableError(`no ipfs-zfs daemon answers at ${door.address}: ${why}`))
    const ca = door.caFile
    const made = ca == null ? Promise.resolve(request(options)) : withCa(options, ca)
    made.then(sent => {
      sent.on('timeout', () => sent.destroy(new Error('it took too long')))
      sent.on('error', error => unreachable(error.message))
      sent.on('response', response => {
        let body = ''
        response.on('data', (chunk: Buffer) => (body += chunk.toString()))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      })
      sent.end()
    }, reject)
  })
  const said = JSON.parse(answer.body) as Hello & { message?: string }
  if (answer.status !== 200) {
    throw new DatastoreUnreachableError(`${door.address} answered: ${said.message}`)
  }
  return said
}

async function withCa(options: object, caFile: string) {
  return tlsRequest({ ...options, ca: await readFile(caFile) })
}

/**
 * Does some work with the door open: that of the daemon that holds the repo, or one that this
 * process opens for as long as the work takes.
 */
export async function withDoor<T>(
  repoPath: string,
  door: Door | undefined,
  work: (door: Door) => Promise<T>
): Promise<T> {
  const wanted = door ?? { address: `unix:${repoPath}/datastore` }
  try {
    await greet(wanted)
    return await work(wanted)
  } catch (error) {
    if (!(error instanceof DatastoreUnreachableError) || door != null) {
      throw error
    }
  }
  const { openRepo } = await import('../index.ts')
  const { startDatastoreServer } = await import('../http/datastore/start.ts')
  const { Pins } = await import('../pins/pins.ts')
  const repo = await openRepo({ path: repoPath })
  try {
    const { catalog, pinBlocks: blocks, datastore: records } = repo
    const pins = new Pins({ catalog, blocks, records })
    const server = await startDatastoreServer({ repo, pins }, {}, pino({ level: 'silent' }))
    try {
      return await work(wanted)
    } finally {
      await server.close()
    }
  } finally {
    await repo.close()
  }
}
