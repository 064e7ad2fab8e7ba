/**
 * A datastore server alone, for the Go tests:
 *
 *   node test/kubo/serve.ts ADDRESS memory|PATH-OF-A-REPO
 *
 * Prints its address when it is ready, and stops when standard input ends.
 */
import { readFileSync } from 'node:fs'
import { parseDatastoreAddress } from '../../src/http/datastore/address.ts'
import { RepoStores } from '../../src/http/datastore/repo-stores.ts'
import { serveStores } from '../../src/http/datastore/server.ts'
import type { Stores } from '../../src/http/datastore/stores.ts'
import { openRepo } from '../../src/index.ts'
import { Pins } from '../../src/pins/pins.ts'
import { MemoryStores } from '../http/datastore/memory.ts'

const [address = 'unix:datastore', kind = 'memory'] = process.argv.slice(2)

async function open(): Promise<{ stores: Stores; close: () => Promise<void> }> {
  if (kind === 'memory') {
    return { stores: new MemoryStores(), close: async () => {} }
  }
  const repo = await openRepo({ path: kind, create: true, pool: { sizeBytes: 8 * 1024 ** 3 } })
  const { catalog, pinBlocks: blocks, datastore: records } = repo
  const pins = new Pins({ catalog, blocks, records })
  return { stores: new RepoStores(repo, pins, console), close: async () => repo.close() }
}

const { stores, close } = await open()
const { IPFS_ZFS_TEST_TOKEN: token, IPFS_ZFS_TEST_CERT: cert, IPFS_ZFS_TEST_KEY: key } = process.env
const server = await serveStores({
  stores,
  listen: parseDatastoreAddress(address),
  ...(token != null && { token }),
  ...(cert != null && key != null && { tls: { cert: readFileSync(cert), key: readFileSync(key) } })
})
console.log(JSON.stringify({ ready: true, address: server.shown, kind }))
process.stdin.on('end', () => void server.close().then(close))
process.stdin.resume()
