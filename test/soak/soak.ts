/**
 * The soak: workers with disjoint blocks and records run random operations against a model, while
 * snapshots come and go, scrubs run and signals abort. See scripts/soak.sh.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openRepo, type Repo } from '../../src/index.ts'
import { Random } from '../random.ts'
import { SoakWorker } from './worker.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    workers: { type: 'string', default: '4' }
  }
})
const seed = Number(values.seed)
const deadline = Date.now() + Number(values.minutes) * 60_000
const POOL_BYTES = 4 * 1024 ** 3
const REPORT_MS = 30_000

/** Snapshots made and destroyed, and scrubs, until the time is over. */
async function disturb(repo: Repo, random: Random): Promise<{ snapshots: number; scrubs: number }> {
  const counts = { snapshots: 0, scrubs: 0 }
  const names: string[] = []
  while (Date.now() < deadline) {
    await new Promise(resolve => setTimeout(resolve, 200 + random.int(2_000)))
    if (random.int(10) === 0) {
      const report = await repo.verify()
      if (!report.ok) throw new Error(`verify: ${JSON.stringify(report)}`)
      counts.scrubs++
    } else if (names.length < 4) {
      const name = `soak-${counts.snapshots++}`
      await repo.snapshots.create(name)
      names.push(name)
    } else {
      await repo.snapshots.destroy(names.shift() as string)
    }
  }
  for (const name of names) await repo.snapshots.destroy(name)
  return counts
}

async function main(): Promise<void> {
  console.log(`soak: seed ${seed}, ${values.minutes} min, ${values.workers} workers`)
  const folder = mkdtempSync(join(tmpdir(), 'ipfs-zfs-soak-'))
  const path = join(folder, 'repo')
  let repo = await openRepo({ path, create: true, pool: { sizeBytes: POOL_BYTES } })
  const workers = Array.from(
    { length: Number(values.workers) },
    (_, i) => new SoakWorker(i, new Random(`worker ${i}`, seed + i))
  )
  const report = setInterval(
    () => console.log(workers.map(w => w.summary()).join(' | ')),
    REPORT_MS
  )
  const [counts] = await Promise.all([
    disturb(repo, new Random('snapshots and scrubs', seed - 1)),
    ...workers.map(worker => worker.run(repo, deadline))
  ])
  clearInterval(report)
  const { pool } = await repo.stat()
  await repo.close()

  repo = await openRepo({ path })
  for (const worker of workers) await worker.checkAll(repo)
  const verified = await repo.verify()
  await repo.close()
  if (!verified.ok) throw new Error(`verify after reopen: ${JSON.stringify(verified)}`)
  const zdb = process.env['ZDB']
  if (zdb != null) execFileSync(zdb, ['-e', '-p', path, '-bcc', pool.name], { stdio: 'pipe' })
  rmSync(folder, { recursive: true })
  const operations = workers.reduce((all, worker) => all + worker.operations, 0)
  const aborted = workers.reduce((all, worker) => all + worker.aborted, 0)
  console.log(
    `soak: ${operations} operations (${aborted} aborted), ${counts.snapshots} snapshots, ` +
      `${counts.scrubs} scrubs, ${verified.blocks} blocks at the end: all as the model says`
  )
}

await main()
