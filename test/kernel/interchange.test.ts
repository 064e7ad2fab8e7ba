/** One pool, two engines in turn: every block is proved at each stop, and zdb finds nothing wrong. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { inLab, labFolder, nodeCommand, labTests } from './lab.ts'
import { PoolChecks } from './zdb.ts'

const test = suite('interchange')
const labTest = labTests(test)

const STEP = 40
const cli = 'src/cli/main.ts'
const exchange = 'test/kernel/inside/exchange.ts'

interface Stop {
  pool: string
  blocks: number
}

class Journey {
  readonly out = labFolder()
  readonly seed = String(Math.floor(Math.random() * 1e9))
  readonly checks = new PoolChecks()
  #stop = 0

  get folder(): string {
    return join(this.out, 'repo')
  }

  async next(engine: 'embedded' | 'kernel'): Promise<Stop> {
    const numbers = [String(this.#stop * STEP), String(++this.#stop * STEP)]
    const ran =
      engine === 'kernel'
        ? await inLab(nodeCommand(exchange, ['/run/lab/out/repo', this.seed, ...numbers]), this)
        : spawnSync(process.execPath, [exchange, this.folder, this.seed, ...numbers], {
            // Else the repo opens as it was made.
            env: { ...process.env, IPFS_ZFS_ENGINE: 'embedded' }
          })
    const code = 'status' in ran ? ran.status : ran.code
    assert.is(
      code,
      0,
      `seed ${this.seed}, stop ${this.#stop}: ${String(ran.stdout)}${String(ran.stderr)}`
    )
    const stop = JSON.parse(String(ran.stdout)) as Stop
    this.checks.begin(this.folder, stop.pool)
    return stop
  }
}

labTest('made by the embedded engine, on to the kernel, and back', async () => {
  const journey = new Journey()
  const { blocks } = await journey.next('embedded')
  await journey.next('kernel')
  const { blocks: after } = await journey.next('embedded')
  assert.ok(after > 2.5 * blocks)
  await journey.next('kernel')
  await journey.checks.end()
})

labTest('made by the kernel, on to the embedded engine, and back', async () => {
  const journey = new Journey()
  await journey.next('kernel')
  await journey.next('embedded')
  await journey.next('kernel')
  await journey.checks.end()
})

labTest(
  'pool import and pool export; the kernel lists the files with modes and times',
  async () => {
    const journey = new Journey()
    const { pool } = await journey.next('embedded')
    const node = nodeCommand(cli, ['--repo', '/run/lab/out/repo'], '')
    const ran = await inLab(
      [
        'set -e',
        `${node} pool import`,
        `find /${pool} -path '*.zfs' -prune -o -printf '%y %m %s %TY %u %p\\n'`,
        `${node} repo stat --json >/dev/null`,
        `${node} repo verify --quiet`,
        `${node} pool export`,
        `ls /proc/spl/kstat/zfs | grep ${pool} || echo gone`
      ].join('\n'),
      journey
    )
    assert.is(ran.code, 0, ran.stdout + ran.stderr)
    const year = String(new Date().getFullYear())
    const lines = ran.stdout.split('\n')
    const slots = lines.find(line => line.endsWith('/ipfs/shard-0000/blocks/256k.slots'))
    assert.match(slots ?? '', new RegExp(`^f 644 \\d+ ${year} root `), ran.stdout)
    assert.ok(lines.some(line => line.startsWith(`d 755 `) && line.endsWith('/ipfs/catalog')))
    assert.match(ran.stdout, /imported .*engine kernel/)
    assert.match(ran.stdout, /exported .*\ngone/)
    const config = JSON.parse(readFileSync(join(journey.folder, 'config.json'), 'utf8')) as object
    assert.is((config as { engine: string }).engine, 'kernel')
    journey.checks.begin(journey.folder, pool)
    await journey.checks.end()
  }
)

test.run()
