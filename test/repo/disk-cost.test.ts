/** What blocks of incompressible bytes cost on disk, all metadata counted. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { randomBlocks } from '../blocks.ts'
import { collect } from '../rejection.ts'
import { MIB, tempRepo } from '../temp-repo.ts'

const test = suite('disk cost')

const CASES = [
  { sizeBytes: 262_144, count: 1000, atMost: 1.02 },
  { sizeBytes: 262_158, count: 1000, atMost: 1.05 },
  { sizeBytes: 1024, count: 150_000, atMost: 1.12 }
]

for (const { sizeBytes, count, atMost } of CASES) {
  test(`${count} blocks of ${sizeBytes} bytes: ${atMost} times their length at most`, async () => {
    const temp = await tempRepo({ durability: 'flush', pool: { sizeBytes: 2048 * MIB } })
    await temp.repo.flush()
    const before = (await temp.repo.stat()).allocatedBytes
    for (let left = count; left > 0; left -= 1000) {
      await collect(temp.repo.blockstore.putMany(randomBlocks(Math.min(left, 1000), sizeBytes)))
    }
    // Frees of what was rewritten come back a transaction group or two later.
    for (let i = 0; i < 4; i++) {
      await temp.repo.flush()
    }
    const stat = await temp.repo.stat()
    assert.is(stat.blocks, count)
    const ratio = (stat.allocatedBytes - before) / (count * sizeBytes)
    console.log(`${sizeBytes} bytes: ${ratio.toFixed(4)} times their length on disk`)
    assert.ok(ratio <= atMost, `${ratio.toFixed(4)} is over ${atMost}`)
    await temp.remove()
  })
}

test.run()
