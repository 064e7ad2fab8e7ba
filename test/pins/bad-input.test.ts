/**
 * What cannot be pinned: a clear error, no pin, no count left behind. PIN_LEVELS (default 5,000; a
 * long run: 100000) and PIN_LINKS (20,000; 100000, the most that a block of 4 MiB has) say how
 * deep and how wide a DAG is.
 */
import * as dagCbor from '@ipld/dag-cbor'
import * as dagPb from '@ipld/dag-pb'
import { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import { TimedFetcher } from '../../src/pins/timed-fetcher.ts'
import type { AddOptions } from '../../src/pins/types.ts'
import { collect, rejection } from '../rejection.ts'
import { blockOf } from './dag-model.ts'
import { catalogFaults } from './invariants.ts'
import { MapBlocks } from './map-blocks.ts'
import { cbor, leaf, worldSuite, type World } from './memory-world.ts'

const levels = Number(process.env['PIN_LEVELS'] ?? 5000)
const links = Number(process.env['PIN_LINKS'] ?? 20_000)

const test = worldSuite('pins: bad input')

function put(blocks: MapBlocks, { cid, bytes }: { cid: CID; bytes: Uint8Array }): CID {
  blocks.put(cid, bytes)
  return cid
}

/** Rejects like this, and nothing of the attempt stays. */
async function refused(world: World, cid: CID, pattern: RegExp, options: AddOptions = {}) {
  const { pins, catalog, blocks } = world
  const error = await rejection(pins.add(cid, options))
  assert.match(error.message, pattern)
  assert.is(await pins.count(), 0)
  assert.equal(await catalogFaults(catalog, blocks), [])
}

test('a block that is not here, offline: at the root, and far below', async world => {
  const gone = leaf('gone')
  await refused(world, gone.cid, /not found locally \(offline\): ipld: could not find bafk/)
  await refused(world, gone.cid, /not found locally/, { mode: 'direct' })
  const middle = put(world.blocks, cbor({ here: put(world.blocks, leaf('here')), gone: gone.cid }))
  const root = put(world.blocks, cbor([middle, put(world.blocks, cbor([1]))]))
  await refused(world, root, /could not find bafk/)
})

test('a block that does not decode, and a codec that nobody knows', async world => {
  const bad = put(world.blocks, blockOf(dagPb.code, new Uint8Array([1, 2, 3])))
  await refused(world, bad, /^block bafybei\w+ does not decode: /)
  await refused(world, put(world.blocks, cbor([bad])), /does not decode/)
  const git = put(world.blocks, blockOf(0x78, new Uint8Array([1])))
  await refused(world, git, /^no decoder registered for multicodec code 120 \(0x78\)$/)
  await refused(world, put(world.blocks, cbor([git])), /no decoder registered/)
})

// A circle would need a block that has its own hash in it: only a store that lies can show one.
test('blocks that link in a circle, as only lying ones can', async world => {
  const one = cbor('one').cid
  const two = cbor('two').cid
  world.blocks.put(one, dagCbor.encode([two]))
  world.blocks.put(two, dagCbor.encode([one]))
  await refused(world, one, /is linked from below itself/)
  world.blocks.put(one, dagCbor.encode([one]))
  await refused(world, one, /is linked from below itself/)
})

test('a name that is too long', async world => {
  const cid = put(world.blocks, leaf('named'))
  await refused(world, cid, /pin name is 256 bytes \(max 255 bytes\)/, { name: 'n'.repeat(256) })
  await world.pins.add(cid, { name: 'é'.repeat(127) })
})

test('absurdly deep, absurdly wide', async world => {
  const { blocks, catalog, pins } = world
  let deep = put(blocks, cbor(0))
  for (let i = 1; i < levels; i++) deep = put(blocks, cbor([i, deep]))
  await pins.add(deep)
  assert.is(await catalog.count('refs'), levels)
  const leaves = Array.from({ length: links }, (_, i) => put(blocks, leaf(`leaf ${i}`)))
  const Links = leaves.map(Hash => ({ Name: '', Hash, Tsize: 1 }))
  const wide = put(blocks, blockOf(dagPb.code, dagPb.encode({ Links })))
  await pins.add(wide)
  assert.is((await pins.isPinned(leaves.at(-1) as CID))?.type, 'indirect')
  assert.equal(await catalogFaults(catalog, blocks), [])
  await pins.rm(deep)
  await pins.rm(wide)
  assert.is(await catalog.count('refs'), 0)
  assert.is((await collect(pins.gc())).length, levels + links + 1)
  assert.is(blocks.all.size, 0)
})

test('a fetch that stalls, one that fails, a client that goes away', async world => {
  const gone = leaf('gone')
  const root = put(world.blocks, cbor({ here: put(world.blocks, leaf('here')), gone: gone.cid }))
  const never = async (_: CID, { signal }: { signal?: AbortSignal }) =>
    new Promise<void>((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error))
    })
  // the timer of an abort signal alone keeps no process alive
  const alive = setInterval(() => {}, 1000)
  const stalls = new TimedFetcher(never, 20)
  await refused(world, root, /^block bafk\w+ did not arrive within 0.02 s: /, { fetcher: stalls })
  const fails = { fetch: async () => Promise.reject(new Error('no peer has it')) }
  await refused(world, root, /no peer has it/, { fetcher: fails })
  const stop = new AbortController()
  setTimeout(() => stop.abort(new Error('the client went away')), 20)
  const waiting = new TimedFetcher(never, 60_000)
  await refused(world, root, /went away/, { fetcher: waiting, signal: stop.signal })
  clearInterval(alive)
})

test('a full pool in the middle: what failed leaves nothing, what is there stays', async world => {
  const kept = put(world.blocks, cbor([put(world.blocks, leaf('kept'))]))
  await world.pins.add(kept)
  // more nodes than go into one step
  const inner = Array.from({ length: 600 }, (_, i) =>
    put(world.blocks, cbor([i, put(world.blocks, leaf(`under ${i}`))]))
  )
  const root = put(world.blocks, cbor(inner.map(cid => put(world.blocks, cbor({ cid })))))
  for (let batches = 0; batches < 3; batches++) {
    let left = batches
    world.catalog.beforeApply = () => {
      if (left-- === 0) throw new Error('the pool is full')
    }
    assert.match((await rejection(world.pins.add(root))).message, /the pool is full/)
    world.catalog.beforeApply = () => {}
    assert.is(await world.pins.isPinned(root), undefined)
    assert.is((await world.pins.isPinned(kept))?.type, 'recursive')
    assert.equal(await catalogFaults(world.catalog, world.blocks), [])
  }
})

test('texts that Cluster compares', async world => {
  const cid = put(world.blocks, leaf('one'))
  const text = async (work: Promise<unknown>) => (await rejection(work)).message
  assert.is(await text(world.pins.rm(cid)), 'not pinned or pinned indirectly')
  const update = world.pins.update(cid, cid)
  assert.is(await text(update), "'from' cid was not recursively pinned already")
  await world.pins.add(cid)
  const direct = world.pins.add(cid, { mode: 'direct' })
  assert.is(await text(direct), `${String(cid)} already pinned recursively`)
  const rm = world.pins.rm(cid, { recursive: false })
  assert.is(await text(rm), `${String(cid)} is pinned recursively`)
})

test.run()
