import { setImmediate as nextTurn } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { native } from '../../src/native.ts'
import { MIB, createScratch, dispose, makeBlocks, openStore } from './scratch.ts'

const scratch = await createScratch()
const { place, pool } = scratch

async function collect(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.()
    await nextTurn()
  }
}

/** What a round adds once the first ones have filled every cache. */
async function growth(rounds: number, round: () => Promise<void>) {
  for (let i = 0; i < rounds; i++) await round()
  await collect()
  const before = process.memoryUsage()
  for (let i = 0; i < rounds; i++) await round()
  await collect()
  const after = process.memoryUsage()
  return {
    rss: after.rss - before.rss,
    heap: after.heapUsed - before.heapUsed,
    external: after.external + after.arrayBuffers - before.external - before.arrayBuffers
  }
}

test('opening, working and closing gives everything back', async () => {
  assert.type(globalThis.gc, 'function', 'run with --expose-gc')
  const { multihashes, blocks } = makeBlocks(200, i => (i % 10 === 0 ? 300_000 : 1000))
  const grown = await growth(40, async () => {
    const again = await native.openPool({ name: place.name, vdevs: [place.vdev] })
    const store = await openStore(again, place)
    await store.put(multihashes, blocks, 'flush')
    await store.get(multihashes)
    await store.sizes(multihashes)
    await store.remove(multihashes.slice(0, 20), 'flush')
    await store.close()
    await again.close()
  })
  assert.ok(grown.heap < 2 * MIB, `heap grew by ${grown.heap}`)
  assert.ok(grown.external < 2 * MIB, `external memory grew by ${grown.external}`)
  assert.ok(grown.rss < 64 * MIB, `resident memory grew by ${grown.rss}`)
})

test('reading 4 GiB in all needs the memory of what is held', async () => {
  const { store } = scratch
  const { multihashes, blocks } = makeBlocks(64, 262_144)
  await store.put(multihashes, blocks, 'flush')
  const grown = await growth(128, async () => {
    await store.get(multihashes)
  })
  assert.ok(grown.external < 20 * MIB, `external memory grew by ${grown.external}`)
  assert.ok(grown.rss < 128 * MIB, `resident memory grew by ${grown.rss}`)
})

test('handles that nobody closed close when they are collected', async () => {
  await scratch.store.close()
  await (async () => {
    const forgotten = await native.openPool({ name: place.name, vdevs: [place.vdev] })
    const store = await openStore(forgotten, place)
    await store.stats()
  })()
  await collect()
  await collect()
  // Were its store still open, this one could not have another map of buckets.
  const bucketShards = new Uint16Array(4096)
  let opened = false
  for (let i = 0; i < 50 && !opened; i++) {
    try {
      const shards = [`${place.name}/shard-0`]
      const store = await native.openStore(pool, { shards, bucketShards })
      await store.close()
      opened = true
    } catch (error) {
      assert.is((error as { code?: string }).code, 'ERR_BUSY')
      await collect()
    }
  }
  assert.ok(opened)
})

test.after(() => dispose(scratch))
test.run()
