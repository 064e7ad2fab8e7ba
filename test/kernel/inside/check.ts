/**
 * Opens a repo after a crash and checks every line that was acknowledged before it: `put N`,
 * `deleting N`, `del N`, `rec N`, `batch N` in the file ACKNOWLEDGED, each seed with its own.
 *
 *   check.ts PATH SEED ACKNOWLEDGED
 */
import { readFileSync } from 'node:fs'
import { Key } from 'interface-datastore'
import * as assert from 'uvu/assert'
import { openRepo } from '../../../src/index.ts'
import { whole } from '../../blocks.ts'
import { collect } from '../../rejection.ts'
import { crashBlock, crashKey, crashValue } from '../../repo/crash-content.ts'

const [path = '', seed = '', file = ''] = process.argv.slice(2)
const said = new Map<string, Set<number>>()
for (const line of readFileSync(file, 'utf8').split('\n')) {
  const match = /^(put|deleting|del|rec|batch) (\d+)$/.exec(line)
  if (match == null) continue
  const [, what = '', number] = match
  said.set(what, (said.get(what) ?? new Set()).add(Number(number)))
}
const all = (what: string): Set<number> => said.get(what) ?? new Set()

const repo = await openRepo({ path })
for (const i of all('del')) {
  assert.not(await repo.blockstore.has(crashBlock(seed, i).cid), `block ${i} was deleted`)
}
for (const i of [...all('put')].filter(put => !all('deleting').has(put))) {
  const { cid, bytes } = crashBlock(seed, i)
  assert.equal(await whole(repo.blockstore.get(cid)), bytes, `block ${i}`)
}
for (const i of all('rec')) {
  assert.equal(await repo.datastore.get(crashKey(i)), crashValue(seed, i), `record ${i}`)
}
for (const i of all('batch')) {
  assert.equal(await repo.datastore.get(new Key(`/batch/${i}/b`)), crashValue(seed, i))
}
const batches = await collect(repo.datastore.queryKeys({ prefix: '/batch' }))
assert.is(batches.length % 2, 0, 'half of a batch is there')
const report = await repo.verify()
assert.ok(report.ok, JSON.stringify(report))
const { pool } = await repo.stat()
console.log(
  JSON.stringify({
    pool: pool.name,
    put: all('put').size,
    del: all('del').size,
    rec: all('rec').size
  })
)
await repo.close()
