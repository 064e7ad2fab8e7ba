import { rmSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { native } from '../../src/native.ts'
import type { Pool, Store } from '../../src/native.ts'
import { createScratch, dispose, makeBlocks, multihashOf, newPlace } from './scratch.ts'

const scratch = await createScratch()
const { pool, store, place } = scratch
const block = new Uint8Array(10)
const multihash = multihashOf(block)

/** What a caller without a compiler might pass. */
const wrong = <T>(value: unknown): T => value as T

async function rejects(work: () => Promise<unknown>, code: string, message?: RegExp) {
  try {
    await work()
  } catch (error) {
    assert.instance(error, Error)
    assert.is((error as { code?: string }).code, code, String(error))
    if (message != null) assert.match((error as Error).message, message)
    return
  }
  assert.unreachable(`should have failed with ${code}`)
}

const INVALID = 'ERR_INVALID_PARAMETERS'

test('multihashes that are none', async () => {
  for (const bad of [undefined, null, 'text', 7, [], new ArrayBuffer(34), new Uint16Array(17)]) {
    await rejects(() => store.get(wrong([multihash, bad])), INVALID, /multihash 1/)
    await rejects(() => store.put(wrong([bad]), [block], 'txg'), INVALID, /multihash 0/)
    await rejects(() => store.remove(wrong([bad]), 'txg'), INVALID)
    await rejects(() => store.sizes(wrong([bad])), INVALID)
  }
  await rejects(() => store.get([new Uint8Array(0)]), INVALID)
  await rejects(() => store.get([new Uint8Array(129)]), INVALID)
  await rejects(() => store.get(wrong(undefined)), INVALID)
  await rejects(() => store.get(wrong({ length: 1, 0: multihash })), INVALID)
})

test('blocks that are none', async () => {
  for (const bad of [
    undefined,
    null,
    'text',
    7,
    [],
    new ArrayBuffer(4),
    new DataView(block.buffer)
  ]) {
    await rejects(() => store.put([multihash], wrong([bad]), 'txg'), INVALID, /block 0/)
  }
  await rejects(() => store.put([multihash], [], 'txg'), INVALID)
  await rejects(() => store.put([multihash], [block, block], 'txg'), INVALID)
  await rejects(() => store.put([multihash], wrong(undefined), 'txg'), INVALID)
})

test('memory that could change or vanish under the addon', async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(10))
  await rejects(() => store.put([multihash], [shared], 'txg'), INVALID, /shared/)
  const resizable = new Uint8Array(new ArrayBuffer(10, { maxByteLength: 20 }))
  await rejects(() => store.put([multihash], [resizable], 'txg'), INVALID, /resizable/)
  const detached = new Uint8Array(10)
  structuredClone(detached, { transfer: [detached.buffer] })
  await rejects(() => store.put([multihash], [detached], 'txg'), INVALID, /detached/)
})

test('the limits of blocks and batches', async () => {
  const large = new Uint8Array((4 << 20) + 1)
  await rejects(() => store.put([multihash], [large], 'txg'), 'ERR_TOO_LARGE')
  const many = new Array<Uint8Array>(65_537).fill(multihash)
  await rejects(() => store.sizes(many), 'ERR_TOO_LARGE')
  const most = await store.sizes(many.slice(1))
  assert.is(most.length, 65_536)
  assert.ok(most.every(size => size === -1))
})

test('durability, limits and keys', async () => {
  await rejects(() => store.put([multihash], [block], wrong('never')), INVALID)
  await rejects(() => store.remove([multihash], wrong(undefined)), INVALID)
  for (const limit of [0, -1, 1.5, NaN, Infinity, '5', undefined]) {
    await rejects(() => store.scan(undefined, wrong(limit)), INVALID)
    await rejects(() => store.verify(undefined, wrong(limit), []), INVALID)
  }
  await rejects(() => store.scan(new Uint8Array(31), 5), INVALID)
  await rejects(() => store.scan(wrong('0'.repeat(32)), 5), INVALID)
  await rejects(() => store.verify(undefined, 5, wrong(undefined)), INVALID)
})

test('pools and stores that are none', async () => {
  for (const bad of [undefined, null, {}, store, 'pool']) {
    await rejects(() => native.syncPool(wrong<Pool>(bad)), INVALID)
    const options = { shards: ['a'], bucketShards: new Uint16Array(4096) }
    await rejects(() => native.openStore(wrong<Pool>(bad), options), INVALID)
  }
  // Methods on objects that are not theirs throw, and crash nothing.
  const noPool = Object.create(pool) as Pool
  const noStore = Object.create(store) as Store
  for (const call of [() => noPool.status(), () => noStore.get([multihash])]) {
    try {
      await call()
      assert.unreachable()
    } catch (error) {
      assert.instance(error, TypeError)
    }
  }
})

test('options of pools', async () => {
  const options = { name: 'x', vdevs: ['/nowhere/pool.img'], layout: 'stripe', sizeBytes: 1 << 30 }
  const bad = (change: object): (() => Promise<Pool>) => {
    return () => native.createPool(wrong({ ...options, ...change }))
  }
  await rejects(bad({ name: '' }), INVALID)
  await rejects(bad({ name: 7 }), INVALID)
  await rejects(bad({ name: 'a\0b' }), INVALID)
  await rejects(bad({ vdevs: [] }), INVALID)
  await rejects(bad({ vdevs: 'pool.img' }), INVALID)
  await rejects(bad({ vdevs: ['relative.img'] }), INVALID, /relative\.img/)
  await rejects(bad({ layout: 'raid5' }), INVALID, /raid5/)
  await rejects(bad({ sizeBytes: -1 }), INVALID)
  await rejects(bad({ sizeBytes: '1G' }), INVALID)
  await rejects(bad({ ashift: 40 }), INVALID)
  await rejects(bad({ arcMaxBytes: NaN }), INVALID)
  await rejects(bad({ rootProperties: { compression: true } }), INVALID, /compression/)
  await rejects(() => native.openPool(wrong({ name: 'x' })), INVALID)
})

test('a pool that is missing, and one that is there already', async () => {
  const missing = newPlace()
  const { name, vdev } = missing
  await rejects(() => native.openPool({ name, vdevs: [vdev] }), 'ERR_NOT_FOUND')
  rmSync(missing.folder, { recursive: true })
  const again = { name: place.name, vdevs: [place.vdev], layout: 'stripe' as const }
  await rejects(() => native.createPool({ ...again, sizeBytes: 1 << 30 }), 'ERR_EXISTS')
})

test('stores whose shards do not fit', async () => {
  const bucketShards = new Uint16Array(4096)
  await rejects(() => native.openStore(pool, { shards: [], bucketShards }), INVALID)
  await rejects(() => native.openStore(pool, { shards: ['a', 'a'], bucketShards }), INVALID)
  const short = { shards: ['a'], bucketShards: new Uint16Array(4095) }
  await rejects(() => native.openStore(pool, short), INVALID)
  const beyond = { shards: ['a'], bucketShards: bucketShards.slice().fill(1) }
  await rejects(() => native.openStore(pool, beyond), INVALID)
  const nowhere = { shards: [`${place.name}/nowhere`], bucketShards }
  await rejects(() => native.openStore(pool, nowhere), 'ERR_NOT_FOUND')
  // One of the open store's shards, under another map: two stores would spoil each other's files.
  const overlapping = { shards: [`${place.name}/shard-0`], bucketShards }
  await rejects(() => native.openStore(pool, overlapping), 'ERR_BUSY')
})

test('after all that, the store works', async () => {
  const { multihashes, blocks } = makeBlocks(10, 1000)
  await store.put(multihashes, blocks, 'txg')
  assert.is((await store.sizes(multihashes))[9], 1000)
  assert.is((await store.stats()).blocks, 10)
})

test.after(() => dispose(scratch))
test.run()
