/** The worker of the keyed records: that it cannot start, and that it dies. */
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { Key } from 'interface-datastore'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RecordsClient } from '../../src/stores/records-client.ts'
import { collect, rejection } from '../rejection.ts'
import { tempRepo } from '../temp-repo.ts'

const test = suite('records client')

test('an extension or a database that is not there', async () => {
  const uri = 'file:/nopool/catalog/records.db?vfs=ipfszfs'
  const addon = join(import.meta.dirname, '../../native/build/Release/ipfs_zfs.node')
  for (const extension of ['/not/there.node', addon]) {
    const setUp = { extension, recordsUri: uri, catalogUri: uri }
    const error = await rejection(RecordsClient.open(setUp))
    assert.is(error.code, 'ERR_IO')
    assert.match(error.message, /^keyed records: .*(cannot open|unable to open)/)
  }
})

test('a worker that dies rejects what waits and what comes; blocks go on', async () => {
  let worker: Worker | undefined
  process.once('worker', made => (worker = made))
  const temp = await tempRepo({ durability: 'flush' })
  const { blockstore, datastore } = temp.repo
  await datastore.put(new Key('/a'), new Uint8Array([1]))
  const puts = Array.from({ length: 100 }, async (_, i) =>
    rejection(datastore.put(new Key(`/${i}`), new Uint8Array(100_000)))
  )
  setImmediate(() => void worker?.terminate())
  for (const error of await Promise.all(puts)) {
    assert.match(error.message, /worker of the keyed records died|expected a rejection/)
  }
  const after = await rejection(datastore.get(new Key('/a')))
  assert.is(after.name, 'DeviceError')
  assert.match(after.message, /open the repo again/)
  assert.is((await collect(blockstore.getAll())).length, 0)
  await temp.reopen()
  assert.equal(await temp.repo.datastore.get(new Key('/a')), new Uint8Array([1]))
  await temp.remove()
})

test.run()
