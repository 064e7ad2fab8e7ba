import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { InvalidParametersError, NotFoundError } from '../../errors.ts'
import type { Pins } from '../../pins/pins.ts'
import type { Repo } from '../../repo/types.ts'
import { parseDatastoreAddress, type DatastoreAddress } from './address.ts'
import { RepoStores } from './repo-stores.ts'
import { serveStores, type DatastoreServer } from './server.ts'

export interface DatastoreDoor {
  /** `unix:PATH` or `host:port`. Default: the socket `datastore` in the repo's folder. */
  listen?: string
  /** Holds the token for a host and port. Default: `datastore.token` in the repo's folder, which
   * is made when it is missing. */
  tokenFile?: string
  /** PEM; both or neither. */
  certFile?: string
  keyFile?: string
}

const SOCKET = 'datastore'
const TOKEN = 'datastore.token'

/** Opens the door through which a Kubo keeps its data in the repo. */
export async function startDatastoreServer(
  { repo, pins }: { repo: Repo; pins: Pins },
  door: DatastoreDoor,
  log: Logger
): Promise<DatastoreServer> {
  const listen = parseDatastoreAddress(door.listen ?? `unix:${join(repo.path, SOCKET)}`)
  const token = await tokenOf(repo, door, listen)
  const tls = await tlsOf(door)
  const stores = new RepoStores(repo, pins, log)
  return serveStores({
    stores,
    listen,
    log,
    ...(token != null && { token }),
    ...(tls != null && { tls })
  })
}

async function tokenOf(
  repo: Repo,
  { tokenFile }: DatastoreDoor,
  listen: DatastoreAddress
): Promise<string | undefined> {
  if ('path' in listen) {
    return undefined
  }
  if (tokenFile != null) {
    return checkedToken(tokenFile, await read(tokenFile))
  }
  const path = join(repo.path, TOKEN)
  try {
    // Only its owner can read it; `wx`: one that is there is kept.
    const token = randomBytes(32).toString('hex')
    await writeFile(path, token + '\n', { mode: 0o600, flag: 'wx' })
    return token
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw error
    }
    return checkedToken(path, await read(path))
  }
}

function checkedToken(path: string, text: string): string {
  const token = text.trim()
  if (token.length < 16 || /\s/.test(token)) {
    throw new InvalidParametersError(`${path}: a token is 16 characters or more, on one line`)
  }
  return token
}

async function tlsOf({
  certFile,
  keyFile
}: DatastoreDoor): Promise<{ cert: string; key: string } | undefined> {
  if (certFile == null && keyFile == null) {
    return undefined
  }
  if (certFile == null || keyFile == null) {
    throw new InvalidParametersError('TLS needs a certificate and its key')
  }
  return { cert: await read(certFile), key: await read(keyFile) }
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new NotFoundError(`${path} cannot be read: ${(error as Error).message}`)
  }
}
