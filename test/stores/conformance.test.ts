/** All of interface-blockstore-tests and interface-datastore-tests, on real repos. */
import '../mocha-shim.ts'
import { interfaceBlockstoreTests } from 'interface-blockstore-tests'
import { interfaceDatastoreTests } from 'interface-datastore-tests'
import type { ZfsBlockstore, ZfsDatastore } from '../../src/index.ts'
import { runAll } from '../mocha-shim.ts'
import { tempRepo, type TempRepo } from '../temp-repo.ts'

const made = new Map<ZfsBlockstore | ZfsDatastore, TempRepo>()

async function remove(store: ZfsBlockstore | ZfsDatastore): Promise<void> {
  await made.get(store)?.remove()
  made.delete(store)
}

describe('interface-blockstore-tests', () => {
  interfaceBlockstoreTests<ZfsBlockstore>({
    async setup() {
      const temp = await tempRepo()
      made.set(temp.repo.blockstore, temp)
      return temp.repo.blockstore
    },
    teardown: remove
  })
})

describe('interface-datastore-tests', () => {
  interfaceDatastoreTests<ZfsDatastore>({
    async setup() {
      const temp = await tempRepo()
      made.set(temp.repo.datastore, temp)
      return temp.repo.datastore
    },
    teardown: remove
  })
})

runAll()
