/**
 * This Kubo against Kubo's own datastores, in one run, on one disk:
 *
 *   node bench/kubo/main.ts [MiB to add] [blocks to collect] [pins]
 *
 * Every contender is the same binary behind the same HTTP API; only Datastore.Spec differs. `zfs` and
 * `flatfs sync` are durable when `ipfs add` returns; `flatfs` and, unless it is told to sync, `pebble`
 * are not.
 */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildProgram } from '../../src/kubo/build.ts'
import { noise } from '../../test/kubo/harness.ts'
import { own, zfs, type Contender } from './contender.ts'

const MIB = 1024 * 1024
const [mib = 1024, blocks = 100_000, pins = 2000] = process.argv.slice(2).map(Number)
const FILE_MIB = 64

const seconds = new Map<string, Map<string, number>>()

async function measure(
  row: string,
  contender: string,
  work: () => Promise<unknown>
): Promise<void> {
  const started = performance.now()
  await work()
  const took = (performance.now() - started) / 1000
  const times = seconds.get(row) ?? new Map<string, number>()
  seconds.set(row, times.set(contender, took))
  console.error(`${contender.padEnd(12)} ${row.padEnd(34)} ${took.toFixed(3)} s`)
}

async function makeTree(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (let at = 0; at < mib; at += FILE_MIB) {
    await writeFile(join(folder, String(at)), noise(Math.min(FILE_MIB, mib - at) * MIB))
  }
}

async function compare({ name, kubo, cool, warm }: Contender, folder: string): Promise<void> {
  const timed = (row: string, work: () => Promise<unknown>) => measure(row, name, work)
  const tree = join(folder, 'tree')
  const raw = ['add', '-rQ', '--cid-version=1', '--chunker=size-262144', tree]
  const classic = ['add', '-rQ', '--cid-version=0', '--raw-leaves=false', tree]
  let root = ''
  await timed('add, raw leaves', async () => (root = await kubo.run(...raw)))
  await timed('add, classic', async () => kubo.run(...classic))
  await kubo.stop()
  await kubo.start('--offline')
  await timed('add again, after a restart', async () => kubo.run(...raw))
  const cat = async () => kubo.try(['get', '-o', join(folder, 'got'), root])
  await cat()
  await rm(join(folder, 'got'), { recursive: true })
  await timed('get, warm', cat)
  await rm(join(folder, 'got'), { recursive: true })
  await cool()
  await warm()
  await kubo.start('--offline')
  await timed('get, cold', cat)
  await rm(join(folder, 'got'), { recursive: true })
  await timed('repo stat, 10 times', async () => {
    for (let i = 0; i < 10; i++) await kubo.run('repo', 'stat', '--size-only')
  })

  const small = join(folder, 'small')
  const listed = await kubo.run('add', '-rq', '--pin=false', '--cid-version=1', small)
  const cids = listed.split('\n').slice(0, pins)
  await timed(`pin ${pins} small files`, async () =>
    kubo.try(['pin', 'add', '--recursive'], Buffer.from(cids.join('\n') + '\n'))
  )
  await timed('pin ls, 10 times', async () => {
    for (let i = 0; i < 10; i++) await kubo.run('pin', 'ls', '--type=recursive', '-q')
  })
  const garbage = join(folder, 'garbage')
  await kubo.run('add', '-Q', '--pin=false', '--raw-leaves', '--chunker=size-256', garbage)
  await timed(`repo gc of ${blocks} blocks`, async () => kubo.run('repo', 'gc', '--silent'))
  await timed('repo stat, counting blocks', async () => kubo.run('repo', 'stat'))
  await cool()
  await warm()
  await timed('start online, cold', async () => kubo.start())
  await kubo.stop()
}

/** What no datastore can be faster than, for the same bytes. */
async function bounds(folder: string): Promise<void> {
  const piece = noise(FILE_MIB * MIB)
  await measure('add, raw leaves', 'SHA-256', async () => {
    const hash = createHash('sha256')
    for (let at = 0; at < mib; at += FILE_MIB) hash.update(piece)
    hash.digest()
  })
  await measure('add, raw leaves', 'disk', async () => {
    const file = await open(join(folder, 'bound'), 'w')
    for (let at = 0; at < mib; at += FILE_MIB) await file.write(piece)
    await file.sync()
    await file.close()
  })
  await rm(join(folder, 'bound'))
}

function print(): void {
  const names = ['zfs', 'flatfs', 'flatfs-sync', 'pebble', 'SHA-256', 'disk']
  console.log(`| ${mib} MiB, seconds | ${names.join(' | ')} | flatfs / zfs | pebble / zfs |`)
  console.log(`|---|${names.map(() => '---:').join('|')}|---:|---:|`)
  for (const [row, times] of seconds) {
    const cells = names.map(name => times.get(name)?.toFixed(2) ?? '')
    const ratio = (peer: string) =>
      ((times.get(peer) ?? NaN) / (times.get('zfs') ?? NaN)).toFixed(2)
    console.log(`| ${row} | ${cells.join(' | ')} | ${ratio('flatfs')} | ${ratio('pebble')} |`)
  }
}

const folder = await mkdtemp(join(tmpdir(), 'kubo-bench-'))
try {
  const ipfs = await buildProgram('ipfs')
  await makeTree(join(folder, 'tree'))
  await mkdir(join(folder, 'small'))
  for (let i = 0; i < pins; i++) await writeFile(join(folder, 'small', String(i)), noise(200))
  await writeFile(join(folder, 'garbage'), noise(blocks * 256))
  for (const start of [
    async () => own('flatfs', 'flatfs', ipfs, folder, false),
    async () => zfs(ipfs),
    async () => own('flatfs-sync', 'flatfs', ipfs, folder, true),
    async () => own('pebble', 'pebbleds', ipfs, folder, false)
  ]) {
    const contender = await start()
    try {
      await compare(contender, folder)
    } finally {
      await contender.remove()
    }
  }
  await bounds(folder)
  print()
} finally {
  await rm(folder, { recursive: true, force: true })
}
