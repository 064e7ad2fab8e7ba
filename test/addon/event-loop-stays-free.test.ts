import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createScratch, dispose, makeBlocks } from './scratch.ts'

const scratch = await createScratch()
const { store } = scratch

test('a timer ticks while 256 MiB are put and got', async () => {
  const batches = Array.from({ length: 16 }, () => makeBlocks(64, 262_144))
  const TICK_MS = 5
  let ticks = 0
  let longest = 0
  let last = performance.now()
  const started = last
  const timer = setInterval(() => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    ticks++
  }, TICK_MS)
  for (const { multihashes, blocks } of batches) await store.put(multihashes, blocks, 'txg')
  for (const { multihashes } of batches) await store.get(multihashes)
  clearInterval(timer)
  const possible = (performance.now() - started) / TICK_MS
  console.log(`${ticks} of ${possible.toFixed(0)} ticks, the longest gap ${longest.toFixed(0)} ms`)
  // Shared machines stall by themselves: a blocked loop would tick about once a batch.
  assert.ok(ticks > possible / 3, `${ticks} ticks of ${possible}`)
  assert.ok(longest < 500, `the loop stood still for ${longest} ms`)
})

test.after(() => dispose(scratch))
test.run()
