/**
 * Kills a process in the middle of writing, again and again (`ROUNDS=200` for the long run): all
 * that was acknowledged is there, nothing is torn, and the index matches what it is an index of.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Key } from 'interface-datastore'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openRepo, verifyBlock, type Repo } from '../../src/index.ts'
import { whole } from '../blocks.ts'
import { Random } from '../random.ts'
import { collect } from '../rejection.ts'
import { MIB, tempFolder } from '../temp-repo.ts'
import { crashBlock, crashKey, crashValue } from './crash-content.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 4)
/** More than a child writes in a round: numbers are never used twice. */
const NUMBERS_PER_ROUND = 1_000_000

interface Acknowledged {
  puts: Set<number>
  /** A delete had begun: such a block may be there or not. */
  deletes: Set<number>
  deleted: Set<number>
  records: Set<number>
  batches: Set<number>
}

/** Kills the child `afterMs` after so many acknowledgements, or after five seconds. */
async function runAndKill(
  path: string,
  seed: string,
  first: number,
  { afterLines, afterMs }: { afterLines: number; afterMs: number }
): Promise<Acknowledged> {
  const all: Acknowledged = {
    puts: new Set(),
    deletes: new Set(),
    deleted: new Set(),
    records: new Set(),
    batches: new Set()
  }
  const sets = new Map([
    ['put', all.puts],
    ['deleting', all.deletes],
    ['del', all.deleted],
    ['rec', all.records],
    ['batch', all.batches]
  ])
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'crash-child.ts'), path, seed, String(first)],
    { stdio: ['ignore', 'pipe', 'inherit'] }
  )
  const exited = once(child, 'exit')
  const kill = (): void => {
    child.kill('SIGKILL')
  }
  let lines = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const [what = '', number] = line.split(' ')
    sets.get(what)?.add(Number(number))
    lines++
    if (lines === 1) {
      setTimeout(kill, 5000).unref()
    } else if (lines === afterLines) {
      setTimeout(kill, afterMs)
    }
  }
  const [code, signal] = (await exited) as [number | null, string | null]
  assert.is(signal, 'SIGKILL', `the child ended by itself with ${code}`)
  return all
}

async function checkBlocks(repo: Repo, seed: string, all: Acknowledged): Promise<void> {
  for (const i of all.deleted) {
    const { cid } = crashBlock(seed, i)
    assert.not(await repo.blockstore.has(cid), `block ${i} was deleted but is there`)
  }
  const kept = [...all.puts].filter(i => !all.deletes.has(i))
  const cids = kept.map(i => crashBlock(seed, i).cid)
  let at = 0
  for await (const { cid, bytes } of repo.blockstore.getMany(cids)) {
    const got = await whole(bytes).catch((error: Error) => {
      throw new Error(`block ${kept[at]} was acknowledged: ${error.message}`)
    })
    assert.ok(verifyBlock(cid, got))
    at++
  }
  assert.is(at, kept.length)
}

async function checkRecords(repo: Repo, seed: string, all: Acknowledged): Promise<void> {
  const { datastore } = repo
  for (const i of all.records) {
    assert.equal(await datastore.get(crashKey(i)), crashValue(seed, i), `record ${i}`)
  }
  for (const i of all.batches) {
    assert.equal(await datastore.get(new Key(`/batch/${i}/b`)), crashValue(seed, i), `batch ${i}`)
  }
  const keys = (await collect(datastore.queryKeys({ prefix: '/batch' }))).map(String)
  assert.is(keys.length % 2, 0, 'half of a batch is there')
  assert.is((await repo.stat()).records, (await collect(datastore.queryKeys({}))).length)
}

const test = suite('crash')

test(`${ROUNDS} rounds of SIGKILL in the middle of writing`, async () => {
  const { folder, remove } = await tempFolder()
  const random = new Random('crash')
  const seed = String(random.seed)
  const pool = { sizeBytes: 4096 * MIB }
  const rounds: Acknowledged[] = []
  await (await openRepo({ path: folder, create: true, pool })).close()
  for (let round = 0; round < ROUNDS; round++) {
    const first = round * NUMBERS_PER_ROUND
    const when = { afterLines: 2 + random.int(400), afterMs: random.int(30) }
    const all = await runAndKill(folder, seed, first, when)
    rounds.push(all)
    const repo = await openRepo({ path: folder })
    for (const earlier of rounds.slice(-3)) {
      await checkBlocks(repo, seed, earlier)
      await checkRecords(repo, seed, earlier)
    }
    const report = await repo.verify({ scrub: round % 10 === 0 })
    assert.ok(report.ok, `round ${round}: ${JSON.stringify(report)}`)
    if (round % 10 === 9) {
      // So that a long run does not fill the pool.
      const cids = (await collect(repo.blockstore.getAll())).map(({ cid }) => cid)
      await collect(repo.blockstore.deleteMany(cids))
      rounds.length = 0
    }
    await repo.close()
    console.log(
      `round ${round}: ${all.puts.size} blocks, ${all.deleted.size} deletes, ` +
        `${all.records.size} records, ${all.batches.size} batches acknowledged`
    )
  }
  await remove()
})

test.run()
