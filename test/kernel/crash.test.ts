/**
 * Kills the whole kernel in the middle of writing, as a power cut would (`ROUNDS=20` for more):
 * the next one imports the pool, and all that was acknowledged is there.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { once } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openRepo } from '../../src/index.ts'
import { Random } from '../random.ts'
import { inLab, labFolder, nodeCommand, startLab, labTests } from './lab.ts'
import { PoolChecks } from './zdb.ts'

const test = suite('kernel crash')
const labTest = labTests(test)

const ROUNDS = Number(process.env['ROUNDS'] ?? 2)
const PIN_ROUNDS = Math.ceil(ROUNDS / 2)
const MIB = 1024 * 1024
const repoInLab = '/run/lab/out/repo'

/** Lines that the child of that file had said before the kernel died. */
async function runAndKill(out: string, file: string, args: string[], lines: number) {
  const child = startLab(nodeCommand(file, [repoInLab, ...args]), { out })
  const acknowledged: string[] = []
  const exited = once(child, 'close')
  let stderr = ''
  child.stderr?.on('data', (chunk: Buffer) => (stderr += String(chunk)))
  for await (const line of createInterface({ input: child.stdout! })) {
    acknowledged.push(line)
    if (acknowledged.length === lines) {
      child.kill('SIGTERM')
    }
  }
  const [code] = (await exited) as [number]
  assert.is(code, 143, `the child ended by itself: ${stderr}`)
  return acknowledged
}

async function writeAndKill(out: string, seed: string, first: number, lines: number) {
  return runAndKill(out, 'test/repo/crash-child.ts', [seed, String(first)], lines)
}

async function newRepo(out: string): Promise<string> {
  const repo = await openRepo({
    path: join(out, 'repo'),
    create: true,
    engine: 'embedded',
    pool: { sizeBytes: 4096 * MIB }
  })
  const { pool } = await repo.stat()
  await repo.close()
  return pool.name
}

labTest(`${ROUNDS} rounds of a kernel that dies`, async () => {
  const out = labFolder()
  const random = new Random('kernel-crash')
  const seed = String(random.seed)
  const pool = await newRepo(out)
  const checks = new PoolChecks()
  const all: string[] = []
  for (let round = 0; round < ROUNDS; round++) {
    all.push(...(await writeAndKill(out, seed, round * 1_000_000, 50 + random.int(400))))
    writeFileSync(join(out, 'acknowledged'), all.join('\n'))
    const check = ['test/kernel/inside/check.ts', [repoInLab, seed, '/run/lab/out/acknowledged']]
    const ran = await inLab(nodeCommand(check[0] as string, check[1] as string[]), { out })
    assert.is(ran.code, 0, `seed ${seed}, round ${round}: ${ran.stdout}${ran.stderr}`)
    console.log(`round ${round}: ${ran.stdout.trim()}`)
    checks.begin(join(out, 'repo'), pool)
  }
  // And the other engine after a crash of this one.
  all.push(...(await writeAndKill(out, seed, ROUNDS * 1_000_000, 100)))
  writeFileSync(join(out, 'acknowledged'), all.join('\n'))
  const args = ['test/kernel/inside/check.ts', join(out, 'repo'), seed, join(out, 'acknowledged')]
  const ran = spawnSync(process.execPath, args, {
    env: { ...process.env, IPFS_ZFS_ENGINE: 'embedded' }
  })
  assert.is(ran.status, 0, `seed ${seed}: ${String(ran.stdout)}${String(ran.stderr)}`)
  await checks.end()
})

labTest(`${PIN_ROUNDS} rounds of a kernel that dies in the middle of pins`, async () => {
  const out = labFolder()
  const random = new Random('kernel-crash-pins')
  const dagSeed = String(random.int(2 ** 31))
  const pool = await newRepo(out)
  const checks = new PoolChecks()
  writeFileSync(join(out, 'pinned'), '[]')
  for (let round = 0; round < PIN_ROUNDS; round++) {
    const args = [String(random.int(2 ** 31)), dagSeed]
    const said = await runAndKill(out, 'test/pins/crash-child.ts', args, 10 + random.int(60))
    writeFileSync(join(out, 'said'), said.join('\n'))
    const check = [repoInLab, '/run/lab/out', dagSeed]
    const ran = await inLab(nodeCommand('test/kernel/inside/check-pins.ts', check), { out })
    assert.is(ran.code, 0, `round ${round}: ${ran.stdout}${ran.stderr}`)
    console.log(`round ${round}: ${ran.stdout.trim()}`)
    checks.begin(join(out, 'repo'), pool)
  }
  await checks.end()
})

test.run()
