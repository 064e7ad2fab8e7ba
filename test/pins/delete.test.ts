/** Deleting by name what nothing keeps, also while a pin is under way. */
import type { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import { guardedBlocks } from '../../src/http/datastore/guarded-blocks.ts'
import type { Blocks } from '../../src/http/datastore/stores.ts'
import { Pins } from '../../src/pins/pins.ts'
import { collect, rejection } from '../rejection.ts'
import type { DagBlock } from './dag-model.ts'
import { catalogFaults } from './invariants.ts'
import { MapBlocks } from './map-blocks.ts'
import { cbor, leaf, worldSuite, type World } from './memory-world.ts'

const test = worldSuite('deleting what is free')

function put(blocks: MapBlocks, ...all: DagBlock[]): void {
  for (const { cid, bytes } of all) blocks.put(cid, bytes)
}

/** How many of them were kept. */
async function kept(pins: Pins, ...cids: CID[]): Promise<number> {
  return (await pins.deleteFree(cids.map(cid => cid.multihash.bytes))).length
}

test('what a pin covers stays, whoever it is that asks', async ({ blocks, pins }) => {
  const [below, free, single] = [leaf('below'), leaf('free'), leaf('single')]
  const root = cbor([below.cid])
  put(blocks, below, free, single, root)
  assert.is(await kept(pins, free.cid, leaf('absent').cid), 0)
  assert.is(blocks.all.size, 3)
  await pins.add(root.cid)
  await pins.add(single.cid, { mode: 'direct' })
  assert.is(await kept(pins, root.cid, below.cid, single.cid), 3)
  await pins.rm(root.cid)
  assert.is(await kept(pins, root.cid, below.cid, single.cid), 1)
  assert.is(blocks.all.size, 1)
})

/** A pin that is under way: `inner` is counted, the root waits for a leaf that is not here. */
function waitingPin({ blocks, pins }: World) {
  const [counted, later, absent] = [leaf('counted'), leaf('later'), leaf('absent')]
  const inner = cbor({ inner: counted.cid })
  const root = cbor([inner.cid, later.cid, absent.cid])
  put(blocks, counted, later, inner, root)
  const asked = Promise.withResolvers<void>()
  const given = Promise.withResolvers<void>()
  const fetched: string[] = []
  const fetcher = {
    fetch: async (cid: CID) => {
      fetched.push(cid.toString())
      asked.resolve()
      await given.promise
      put(blocks, cid.equals(later.cid) ? later : absent)
    }
  }
  const adding = pins.add(root.cid, { fetcher })
  adding.catch(() => {})
  return { counted, later, absent, inner, root, fetched, asked: asked.promise, given, adding }
}

test('what a walk has counted stays; what it has not may go, and is fetched again', async world => {
  const { blocks, catalog, pins } = world
  const pin = waitingPin(world)
  const { counted, later, absent, inner, root } = pin
  await pin.asked
  // no pin says so: the walk alone holds it
  assert.is(await pins.isPinned(inner.cid), undefined)
  assert.is(await kept(pins, inner.cid, counted.cid), 2)
  assert.is(await kept(pins, later.cid), 0)
  pin.given.resolve()
  await pin.adding
  assert.equal(pin.fetched, [absent.cid.toString(), later.cid.toString()])
  assert.is(await kept(pins, counted.cid, later.cid, absent.cid, inner.cid, root.cid), 5)
  assert.equal(await catalogFaults(catalog, blocks), [])
})

test('what a walk held is free when it has failed', async world => {
  const { blocks, catalog, pins } = world
  const pin = waitingPin(world)
  await pin.asked
  assert.is(await kept(pins, pin.inner.cid), 1)
  pin.given.reject(new Error('nobody has it'))
  assert.match((await rejection(pin.adding)).message, /nobody has it/)
  assert.equal(await catalogFaults(catalog, blocks), [])
  assert.is(await kept(pins, pin.inner.cid, pin.counted.cid, pin.root.cid), 0)
})

test("another process's deletes pass over what is kept, one by one and together", async world => {
  const { blocks, pins } = world
  const [below, ...free] = Array.from({ length: 1500 }, (_, i) => leaf(`leaf ${i}`))
  const root = cbor([(below as DagBlock).cid])
  put(blocks, root, below as DagBlock, ...free)
  await pins.add(root.cid)
  const given: string[] = []
  const note = (what: string) => (cid: CID) => void given.push(`${what} ${String(cid)}`)
  const door = guardedBlocks(
    {
      put: note('put'),
      get: note('get'),
      size: note('size')
    } as unknown as Blocks,
    pins
  )
  await door.delete(root.cid)
  await door.delete((free[0] as DagBlock).cid)
  assert.is(blocks.all.size, 1500)
  const all = [root, below as DagBlock, ...free].map(({ cid }) => cid)
  const deleted = await collect(door.deleteMany(all))
  // those that were there, and one that was not
  assert.is(deleted.length, 1499)
  assert.is(blocks.all.size, 2)
  await door.put(root.cid, root.bytes)
  await door.size(root.cid)
  void door.get(root.cid)
  const text = root.cid.toString()
  assert.equal(given, [`put ${text}`, `size ${text}`, `get ${text}`])
})

test.run()
