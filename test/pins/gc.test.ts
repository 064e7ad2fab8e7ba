/** What a collection is told: ages, limits, pace; and blocks that arrive while it runs. */
import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as assert from 'uvu/assert'
import { looseValue, nowSeconds } from '../../src/pins/loose.ts'
import { blockKey } from '../../src/pins/node.ts'
import type { GcProgress } from '../../src/pins/types.ts'
import { collect, rejection } from '../rejection.ts'
import { blockOf } from './dag-model.ts'
import { worldSuite, type World } from './memory-world.ts'

const test = worldSuite('gc options')

/** Stored so many seconds ago, or unpinned then. */
async function old({ blocks, catalog }: World, text: string, age: number, wasPinned = false) {
  const { cid, bytes } = blockOf(raw.code, new TextEncoder().encode(text))
  blocks.put(cid, bytes)
  const keys = blockKey(cid.multihash.bytes)
  const values = Float64Array.of(looseValue(nowSeconds() - age, wasPinned))
  await catalog.apply([{ family: 'loose', keys, values }])
  return cid
}

async function many(world: World, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await old(world, `block ${i}`, 1000)
}

const here = ({ blocks }: World) => [...blocks.all.values()].map(({ cid }) => cid.toString()).sort()

test('young ones that were never pinned stay, and are found when they are old', async world => {
  const { pins, catalog } = world
  const young = await old(world, 'young', 50)
  await old(world, 'old', 500)
  await old(world, 'unpinned a moment ago', 0, true)
  assert.is((await collect(pins.gc({ minAgeSeconds: 100 }))).length, 2)
  assert.equal(here(world), [young.toString()])
  assert.is(await catalog.count('loose'), 1)
  assert.is((await collect(pins.gc({ minAgeSeconds: 20 }))).length, 1)
  assert.is(await catalog.count('loose'), 0)
})

test('it stops at a number of blocks, and the next one goes on', async world => {
  const { pins, catalog } = world
  await many(world, 25)
  assert.is((await collect(pins.gc({ maxBlocks: 10 }))).length, 10)
  assert.is(await catalog.count('loose'), 15)
  assert.is((await collect(pins.gc({ maxBlocks: 100 }))).length, 15)
  assert.is(world.blocks.all.size, 0)
})

test('it says how far it is; who stops taking stops it', async world => {
  const { pins, catalog } = world
  await many(world, 10_000)
  const told: GcProgress[] = []
  const onProgress = (progress: GcProgress) => void told.push(progress)
  // pages of 2,000
  for await (const cid of pins.gc({ onProgress, blocksPerSecond: 20_000 })) {
    assert.is(cid.multihash.size, 32)
    break
  }
  assert.equal(told, [{ checked: 2000, deleted: 2000, queued: 8000 }])
  assert.is(await catalog.count('loose'), 8000)
  await collect(pins.gc({ onProgress }))
  assert.equal(told.at(-1), { checked: 8000, deleted: 8000, queued: 0 })
})

test('a pace makes pages small, and a signal ends the waiting', async world => {
  const { pins, catalog } = world
  await many(world, 100)
  const stop = new AbortController()
  let pages = 0
  const onProgress = () => {
    if (++pages === 2) setImmediate(() => stop.abort(new Error('enough')))
  }
  // ten deletions a second: a page is one, and the wait after it a tenth of a second
  const options = { blocksPerSecond: 10, signal: stop.signal, onProgress }
  assert.is((await rejection(collect(pins.gc(options)))).message, 'enough')
  assert.is(await catalog.count('loose'), 98)
  assert.is(world.blocks.all.size, 98)
})

test('what arrives while a page is swept is not lost from the queue', async world => {
  const { blocks, catalog, pins } = world
  const given = blockOf(raw.code, new TextEncoder().encode('again and again'))
  const put = async (): Promise<CID> =>
    pins.storing([given.cid.multihash.bytes], async () => {
      // the note is written; a collection may come before the block
      await new Promise(setImmediate)
      blocks.put(given.cid, given.bytes)
      return given.cid
    })
  for (let i = 0; i < 200; i++) {
    const collecting = collect(pins.gc())
    for (let turns = i % 7; turns > 0; turns--) await Promise.resolve()
    await Promise.all([put(), put(), collecting])
    const isQueued = (await catalog.count('loose')) > 0
    assert.ok(isQueued || blocks.all.size === 0, `round ${i}: here, and in no queue`)
  }
  await collect(pins.gc())
  assert.is(blocks.all.size, 0)
  assert.is(await catalog.count('loose'), 0)
})

test.run()
