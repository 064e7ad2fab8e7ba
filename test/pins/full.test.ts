/** A pool that fills in the middle of a pin: an error that says so, nothing left, and a way out. */
import * as dagPb from '@ipld/dag-pb'
import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { NoSpaceError, type ZfsBlockstore } from '../../src/index.ts'
import { Pins } from '../../src/pins/pins.ts'
import type { Fetcher } from '../../src/pins/types.ts'
import { collect, rejection } from '../rejection.ts'
import { MIB, tempRepo, type TempRepo } from '../temp-repo.ts'
import { blockOf, type DagBlock } from './dag-model.ts'
import { catalogFaults } from './invariants.ts'

interface World {
  temp: TempRepo
  pins: Pins
  blocks: ZfsBlockstore
}

const test = suite<World>('pins on a full pool')

test.before.each(async context => {
  const temp = await tempRepo({ durability: 'flush', pool: { sizeBytes: 64 * MIB } })
  const { catalog, pinBlocks, datastore: records } = temp.repo
  const pins = new Pins({ catalog, blocks: pinBlocks, records })
  const blocks = temp.repo.blocksWithin(async (multihashes, put) => pins.storing(multihashes, put))
  Object.assign(context, { temp, pins, blocks })
})

test.after.each(async ({ temp }) => temp.remove())

const leafOf = (bytes: Uint8Array): DagBlock => blockOf(raw.code, bytes)

function parentOf(blocks: DagBlock[]): DagBlock {
  const Links = blocks.map(({ cid }) => ({ Name: '', Hash: cid, Tsize: 1 }))
  return blockOf(dagPb.code, dagPb.encode({ Links }))
}

/** Puts blocks of 256 KiB until no more fit. */
async function putUntilFull(blocks: ZfsBlockstore): Promise<DagBlock[]> {
  const stored: DagBlock[] = []
  for (;;) {
    const block = leafOf(randomBytes(262_144))
    const error = await blocks.put(block.cid, block.bytes).then(() => undefined, asError)
    if (error != null) {
      assert.instance(error, NoSpaceError, error.stack)
      return stored
    }
    stored.push(block)
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** Nearly all of the pool, in one pin. */
async function fill({ temp, pins, blocks }: World): Promise<CID> {
  const stored = await putUntilFull(blocks)
  assert.ok(stored.length > 10)
  // room for the pin itself
  const gone = stored.splice(-4).map(({ cid }) => cid)
  await collect(blocks.deleteMany(gone))
  await temp.repo.flush()
  const root = parentOf(stored)
  await blocks.put(root.cid, root.bytes)
  await pins.add(root.cid)
  return root.cid
}

/** The pool is full, and nothing of this pin is there. */
async function refused({ pins, temp }: World, cid: CID, fetcher?: Fetcher): Promise<void> {
  const error = await rejection(pins.add(cid, fetcher == null ? {} : { fetcher }))
  assert.instance(error, NoSpaceError, error.stack)
  assert.match(error.message, /delete something(,| or) add space/)
  assert.is(await pins.isPinned(cid), undefined)
  assert.is(await pins.count(), 1)
  assert.equal(await catalogFaults(temp.repo.catalog, temp.repo.pinBlocks), [])
}

test('blocks that are fetched fill it: gc gives back the room, and the pin finds it', async world => {
  const { temp, pins, blocks } = world
  const ballast = await fill(world)
  const groups = Array.from({ length: 4 }, () =>
    Array.from({ length: 20 }, () => leafOf(randomBytes(65_536)))
  )
  const parents = groups.map(parentOf)
  const root = parentOf(parents)
  const network = new Map<string, Uint8Array>()
  for (const { cid, bytes } of [root, ...parents, ...groups.flat()]) {
    network.set(cid.toString(), bytes)
  }
  const fetcher: Fetcher = {
    fetch: async cid => {
      await blocks.put(cid, network.get(cid.toString()) as Uint8Array)
    }
  }
  await refused(world, root.cid, fetcher)
  const before = await temp.repo.stat()
  const deleted = await collect(pins.gc())
  assert.ok(deleted.length > 0 && deleted.length < network.size, String(deleted.length))
  assert.is((await temp.repo.stat()).blocks, before.blocks - deleted.length)
  await refused(world, root.cid, fetcher)
  await pins.rm(ballast)
  await collect(pins.gc())
  await temp.repo.flush()
  await pins.add(root.cid, { fetcher })
  assert.is((await pins.isPinned(groups[3]?.[19]?.cid as CID))?.type, 'indirect')
  assert.equal(await catalogFaults(temp.repo.catalog, temp.repo.pinBlocks), [])
  assert.is((await collect(pins.gc())).length, 0)
  assert.ok((await temp.repo.verify({ scrub: false })).ok)
})

test('counts fill it: tries that fail take no room for good', async world => {
  const { temp, pins, blocks } = world
  const text = new TextEncoder()
  const leaves = Array.from({ length: 20_000 }, (_, i) => leafOf(text.encode(`leaf ${i}`)))
  const root = parentOf(leaves)
  await collect(blocks.putMany([...leaves, root]))
  const ballast = await fill(world)
  await putUntilFull(blocks)
  await refused(world, root.cid)
  const { Links } = dagPb.decode(await bytesOf(blocks, ballast))
  await pins.rm(ballast)
  // half a MiB more each time: some tries get as far as the last step
  let error: Error | undefined
  for (let at = 0; at < Links.length; at += 2) {
    error = await pins.add(root.cid).then(() => undefined, asError)
    if (error == null) break
    assert.instance(error, NoSpaceError, error.stack)
    assert.is(await pins.count(), 0)
    assert.equal(await catalogFaults(temp.repo.catalog, temp.repo.pinBlocks), [])
    const freed = Links.slice(at, at + 2).map(({ Hash }) => Hash.multihash.bytes)
    assert.equal(await pins.deleteFree(freed), [])
    await temp.repo.flush()
  }
  assert.is(error, undefined)
  assert.is((await pins.isPinned(leaves[19_999]?.cid as CID))?.type, 'indirect')
  assert.equal(await catalogFaults(temp.repo.catalog, temp.repo.pinBlocks), [])
  await pins.rm(root.cid)
  await collect(pins.gc())
  assert.is((await temp.repo.stat()).blocks, 0)
})

test('a quota of the catalog alone: what is there can be taken out', async () => {
  const temp = await tempRepo({ durability: 'flush', pool: { sizeBytes: 256 * MIB } })
  const { blockstore, catalog, datastore: records, pinBlocks, zfs } = temp.repo
  await zfs.setProperties({ quota: '16M' }, `${zfs.root}/catalog`)
  const count = 4000
  const values = new Float64Array(count).fill(1)
  const noted: Uint8Array[] = []
  for (let error: Error | undefined; error == null;) {
    const keys = randomBytes(count * 32)
    error = await catalog.apply([{ family: 'loose', keys, values }]).then(() => undefined, asError)
    if (error == null) noted.push(keys)
    else assert.instance(error, NoSpaceError, error.stack)
  }
  assert.ok(noted.length > 1)
  assert.is(await catalog.count('loose'), noted.length * count)
  for (const keys of noted) {
    const gone = { family: 'loose', keys, values: new Float64Array(count) } as const
    await catalog.apply([gone], { freeing: true })
  }
  assert.is(await catalog.count('loose'), 0)
  await zfs.setProperties({ quota: 'none' }, `${zfs.root}/catalog`)
  const again = leafOf(randomBytes(1000))
  await blockstore.put(again.cid, again.bytes)
  await new Pins({ catalog, blocks: pinBlocks, records }).add(again.cid)
  assert.equal(await catalogFaults(catalog, pinBlocks), [])
  await temp.remove()
})

async function bytesOf(blocks: ZfsBlockstore, cid: CID): Promise<Uint8Array> {
  return Buffer.concat(await collect(blocks.get(cid)))
}

test.run()
