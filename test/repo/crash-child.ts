/**
 * Writes blocks and records until it is killed, and says of each what was acknowledged:
 * `put <i>`, `del <i>`, `rec <i>`, `batch <i>`. See crash.test.ts.
 */
import { writeSync } from 'node:fs'
import { Key } from 'interface-datastore'
import { openRepo } from '../../src/index.ts'
import { crashBlock, crashKey, crashValue } from './crash-content.ts'

const [path = '', seed = '', first = ''] = process.argv.slice(2)
const repo = await openRepo({ path })
const say = (line: string): void => {
  writeSync(1, `${line}\n`)
}
say('open')

let next = Number(first)

/** Several at once, each with its own shape of work. */
async function blocks(): Promise<void> {
  for (;;) {
    const i = next++
    const { cid, bytes } = crashBlock(seed, i)
    await repo.blockstore.put(cid, bytes)
    say(`put ${i}`)
    if (i % 7 === 0) {
      say(`deleting ${i}`)
      await repo.blockstore.delete(cid)
      say(`del ${i}`)
    }
  }
}

async function manyBlocks(): Promise<void> {
  for (;;) {
    const numbers = Array.from({ length: 50 }, () => next++)
    const pairs = numbers.map(i => crashBlock(seed, i))
    const numberOf = new Map(pairs.map(({ cid }, at) => [cid, numbers[at]]))
    for await (const cid of repo.blockstore.putMany(pairs)) {
      say(`put ${numberOf.get(cid)}`)
    }
  }
}

async function records(): Promise<void> {
  for (;;) {
    const i = next++
    await repo.datastore.put(crashKey(i), crashValue(seed, i))
    say(`rec ${i}`)
  }
}

/** Both records of a batch, or none. */
async function batches(): Promise<void> {
  for (;;) {
    const i = next++
    const batch = repo.datastore.batch()
    batch.put(new Key(`/batch/${i}/a`), crashValue(seed, i))
    batch.put(new Key(`/batch/${i}/b`), crashValue(seed, i))
    await batch.commit()
    say(`batch ${i}`)
  }
}

const atOnce = (count: number, work: () => Promise<void>): Array<Promise<void>> =>
  Array.from({ length: count }, work)
await Promise.all([
  ...atOnce(8, blocks),
  manyBlocks(),
  ...atOnce(8, records),
  ...atOnce(4, batches)
])
