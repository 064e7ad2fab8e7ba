/** A pool that is full: an error that says so; reads and deletes work, and so do puts after. */
import { Key } from 'interface-datastore'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { NoSpaceError } from '../../src/index.ts'
import { randomBlocks, whole, type Block } from '../blocks.ts'
import { collect, rejection } from '../rejection.ts'
import { MIB, onKernel, tempRepo, type TempRepo } from '../temp-repo.ts'

const test = suite('full pool')

/** Puts until there is no room; gives what was acknowledged. */
async function fill(put: (block: Block) => Promise<unknown>, sizeBytes: number): Promise<Block[]> {
  const stored: Block[] = []
  for (;;) {
    const [block] = randomBlocks(1, sizeBytes) as [Block]
    try {
      await put(block)
      stored.push(block)
    } catch (error) {
      assert.instance(error, NoSpaceError, (error as Error).stack)
      return stored
    }
    assert.ok(stored.length * sizeBytes < 64 * MIB, 'a pool of 64 MiB took more than that')
  }
}

/** Some more fit, and then exactly these and `stored` are there, also when it is opened again. */
async function expectRoom(temp: TempRepo, stored: Block[], more: Block[]): Promise<void> {
  await temp.repo.flush()
  await collect(temp.repo.blockstore.putMany(more))
  await temp.reopen()
  const report = await temp.repo.verify()
  assert.ok(report.ok, JSON.stringify(report))
  assert.is(report.blocks, stored.length + more.length)
  assert.is((await temp.repo.stat()).blocks, stored.length + more.length)
}

for (const sizeBytes of [262_144, 10_000]) {
  test(`blocks of ${sizeBytes} bytes`, async () => {
    const temp = await tempRepo({ durability: 'flush', pool: { sizeBytes: 64 * MIB } })
    const { blockstore, datastore } = temp.repo
    const record = new Key('/record')
    await datastore.put(record, new Uint8Array(100))
    const stored = await fill(async ({ cid, bytes }) => blockstore.put(cid, bytes), sizeBytes)
    assert.ok(stored.length > 0)
    for (const { cid, bytes } of stored) {
      assert.is(Buffer.compare(await whole(blockstore.get(cid)), bytes), 0)
    }
    assert.is((await datastore.get(record)).byteLength, 100)
    await datastore.delete(record)
    await temp.repo.flush()
    const half = stored.splice(0, Math.ceil(stored.length / 2))
    await collect(blockstore.deleteMany(half.map(({ cid }) => cid)))
    await temp.repo.compact()
    await expectRoom(temp, stored, randomBlocks(5, sizeBytes))
    await temp.remove()
  })
}

test('a quota: the error says so, and what is deleted makes room', async () => {
  const temp = await tempRepo({ durability: 'flush' })
  const { blockstore } = temp.repo
  await temp.repo.zfs.setProperties({ quota: '48M' })
  const stored = await fill(async ({ cid, bytes }) => blockstore.put(cid, bytes), 262_144)
  assert.ok(stored.length > 0)
  const half = stored.splice(0, Math.ceil(stored.length / 2))
  await collect(blockstore.deleteMany(half.map(({ cid }) => cid)))
  await expectRoom(temp, stored, randomBlocks(5, 262_144))
  await temp.remove()
})

for (const sizeBytes of [262_144, 40_000]) {
  test(`a quota of one shard, blocks of ${sizeBytes} bytes`, async () => {
    const temp = await tempRepo({ durability: 'flush', shards: 1 })
    const { blockstore, zfs } = temp.repo
    const shard = `${zfs.root}/shard-0000`
    await zfs.setProperties({ quota: '16M' }, shard)
    const stored = await fill(async ({ cid, bytes }) => blockstore.put(cid, bytes), sizeBytes)
    const { availableBytes = 0 } = (await zfs.list()).find(({ name }) => name === shard) ?? {}
    // The kernel engine keeps 8 MiB for deletes; here that is half of all.
    const kept = onKernel ? 8 * MIB + 8 * sizeBytes : 0
    assert.ok(availableBytes <= kept, `${availableBytes} bytes are left`)
    // One by one, the first when nothing has been freed yet.
    const most = stored.splice(0, Math.ceil(stored.length * 0.75))
    for (const { cid } of most) await blockstore.delete(cid)
    await temp.repo.compact()
    await expectRoom(temp, stored, randomBlocks(4, sizeBytes))
    await temp.remove()
  })
}

test('records: the error says so, and they can be deleted', async () => {
  const temp = await tempRepo({ durability: 'flush', pool: { sizeBytes: 64 * MIB } })
  const { blockstore, datastore } = temp.repo
  const value = randomBlocks(1, 200_000)[0]?.bytes as Uint8Array
  // Most of the room goes to blocks, which is quicker; 16 of them make way for records.
  const blocks = await fill(async ({ cid, bytes }) => blockstore.put(cid, bytes), 262_144)
  await collect(blockstore.deleteMany(blocks.slice(0, 16).map(({ cid }) => cid)))
  await temp.repo.flush()
  const keys: Key[] = []
  let error: Error | undefined
  while (error == null) {
    const key = new Key(`/${keys.length}`)
    await datastore.put(key, value).then(
      () => keys.push(key),
      (reason: Error) => (error = reason)
    )
  }
  assert.instance(error, NoSpaceError, error.stack)
  for (const key of keys) {
    assert.is(Buffer.compare(await datastore.get(key), value), 0)
  }
  await collect(datastore.deleteMany(keys))
  assert.is((await temp.repo.stat()).records, 0)
  await datastore.put(new Key('/after'), value)
  await temp.reopen()
  assert.equal(await collect(temp.repo.datastore.queryKeys({})).then(all => all.map(String)), [
    String(new Key('/after'))
  ])
  assert.is((await rejection(temp.repo.datastore.get(new Key('/0')))).code, 'ERR_NOT_FOUND')
  await temp.remove()
})

test.run()
