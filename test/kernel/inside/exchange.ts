/**
 * One stop of a travelling repo: checks every block and record that the stops before have written,
 * writes its own, deletes some of them, and proves the whole.
 *
 *   exchange.ts PATH SEED FROM TO     what is numbered below FROM is there; FROM to TO is written
 *
 * FROM 0 makes the repo. IPFS_ZFS_ENGINE says which engine.
 */
import * as assert from 'uvu/assert'
import { openRepo } from '../../../src/index.ts'
import { whole } from '../../blocks.ts'
import { collect } from '../../rejection.ts'
import { crashBlock, crashKey, crashValue } from '../../repo/crash-content.ts'

const MIB = 1024 * 1024
const [path = '', seed = '', first = '', last = ''] = process.argv.slice(2)
const [from, to] = [Number(first), Number(last)]
const isDeleted = (i: number): boolean => i % 7 === 0

const repo = await openRepo({ path, create: from === 0, pool: { sizeBytes: 1024 * MIB } })
for (let i = 0; i < from; i++) {
  const { cid, bytes } = crashBlock(seed, i)
  const has = await repo.blockstore.has(cid)
  assert.is(has, !isDeleted(i), `block ${i}`)
  if (has) {
    assert.equal(await whole(repo.blockstore.get(cid)), bytes, `block ${i}`)
  }
  assert.equal(await repo.datastore.get(crashKey(i)), crashValue(seed, i), `record ${i}`)
}
const numbers = Array.from({ length: to - from }, (_, at) => from + at)
await collect(repo.blockstore.putMany(numbers.map(i => crashBlock(seed, i))))
for (const i of numbers) {
  await repo.datastore.put(crashKey(i), crashValue(seed, i))
}
const gone = numbers.filter(isDeleted).map(i => crashBlock(seed, i).cid)
await collect(repo.blockstore.deleteMany(gone))
await repo.snapshots.create(`at-${to}`)
const report = await repo.verify()
assert.ok(report.ok, JSON.stringify(report))
const { pool, blocks } = await repo.stat()
console.log(JSON.stringify({ pool: pool.name, blocks, byPointer: report.byPointer }))
await repo.close()
