import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Place } from './scratch.ts'
import { createScratch, dispose, equalBytes, makeBlocks } from './scratch.ts'

const scratch = await createScratch()
const { place, store } = scratch

interface Job {
  place: Place
  what: 'put' | 'put-for-ever' | 'leave-open'
}

function start(what: Job['what']): Worker {
  const workerData: Job = { place, what }
  return new Worker(new URL('./fixtures/worker.ts', import.meta.url), { workerData })
}

test('threads that open the same pool share it and see each other’s blocks', async () => {
  const workers = Array.from({ length: 4 }, () => start('put'))
  const puts = await Promise.all(
    workers.map(async worker => {
      const told = once(worker, 'message') as Promise<[Uint8Array[]]>
      const [exit] = (await once(worker, 'exit')) as [number]
      assert.is(exit, 0)
      return (await told)[0]
    })
  )
  const sizes = await store.sizes(puts.flat())
  assert.is(sizes.length, 4 * 100)
  assert.ok(sizes.every(size => size >= 1000))
})

test('terminating threads in the middle of their work harms nobody', async () => {
  for (let round = 0; round < 5; round++) {
    const workers = [start('put-for-ever'), start('put-for-ever')]
    await Promise.all(workers.map(worker => once(worker, 'message')))
    const { multihashes, blocks } = makeBlocks(20, 5000)
    const put = store.put(multihashes, blocks, 'txg')
    await Promise.all(workers.map(worker => worker.terminate()))
    await put
    const got = await store.get(multihashes)
    assert.ok(blocks.every((block, i) => equalBytes(got[i], block)))
  }
  assert.equal(await store.check(), [])
})

test('a thread that ends without closing has closed', async () => {
  const worker = start('leave-open')
  const [exit] = (await once(worker, 'exit')) as [number]
  assert.is(exit, 0)
  // dispose() below exports the pool, which fails while anybody holds it.
})

test.after(() => dispose(scratch))
test.run()
