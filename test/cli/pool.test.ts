import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench } from './harness.ts'

const test = suite('pool')

async function engineOf(bench: Bench): Promise<string> {
  const text = await readFile(join(bench.repo, 'config.json'), 'utf8')
  return (JSON.parse(text) as { engine: string }).engine
}

test('export lets go of the pool, import hands it to an engine', async () => {
  await using bench = await Bench.make(['--name', 'tank8'])
  assert.is(await engineOf(bench), 'embedded')
  assert.equal(await bench.json(['pool', 'export']), { pool: 'tank8' })
  assert.equal(await bench.json(['pool', 'import', '--engine', 'auto']), {
    pool: 'tank8',
    engine: 'auto'
  })
  assert.is(await engineOf(bench), 'auto')
  const stat = await bench.json<{ pool: { name: string } }>(['repo', 'stat'])
  assert.is(stat.pool.name, 'tank8')
})

test('an engine that there is not', async () => {
  await using bench = await Bench.make(false)
  const option = await bench.run(['--engine', 'steam', 'init'])
  assert.is(option.code, 2)
  assert.match(option.stderr, /embedded, kernel, auto/)
  const variable = await bench.run(['init'], { env: { IPFS_ZFS_ENGINE: 'steam' } })
  assert.is(variable.code, 1)
  assert.match(variable.stderr, /"steam" is no engine: embedded, kernel, auto/)
})

test('no repo to export or import', async () => {
  await using bench = await Bench.make(false)
  for (const what of ['export', 'import']) {
    const ran = await bench.run(['pool', what])
    assert.is(ran.code, 1)
    assert.match(ran.stderr, /no repo at .*ipfs-zfs init/)
  }
})

test.run()
