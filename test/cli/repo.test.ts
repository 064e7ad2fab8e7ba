import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench, bothWays, withDaemon } from './harness.ts'

interface Snapshot {
  name: string
  created: string
  usedBytes: number
  referencedBytes: number
}

const test = suite('repo')

test('init says what it made', async () => {
  await using bench = await Bench.make(false)
  const made = await bench.json<Record<string, unknown>>([
    'init',
    '--size',
    '1G',
    '--name',
    'tank9'
  ])
  const { maxBytes, ...rest } = made
  assert.equal(rest, {
    path: bench.repo,
    pool: 'tank9',
    layout: 'stripe',
    vdevs: [join(bench.repo, 'pool.img')],
    shards: 4
  })
  assert.ok(typeof maxBytes === 'number' && maxBytes > 500_000_000 && maxBytes < 1 << 30)
  const { size, blocks } = await stat(join(bench.repo, 'pool.img'))
  assert.is(size, 1 << 30)
  assert.ok(blocks * 512 < 64 << 20, 'the file is sparse')
})

test('a mirror with one shard', async () => {
  await using bench = await Bench.make(false)
  const vdevs = [bench.path('a.img'), bench.path('b.img')]
  const options = vdevs.flatMap(path => ['--vdev', path])
  const text = await bench.ok(['init', ...options, '--layout=mirror', '--size=256M', '--shards=1'])
  assert.match(text, /\(mirror\)/)
  assert.match(text, /in 1 shard/)
  assert.ok(text.includes(vdevs.join(', ')))
  const { pool } = await bench.json<{ pool: { root: { children: Array<{ name: string }> } } }>([
    'repo',
    'stat'
  ])
  assert.match(pool.root.children[0]?.name ?? '', /^mirror/)
})

test('repo stat', () =>
  withDaemon(async bench => {
    await bench.ok(['add', '-Q', '-'], { input: Buffer.alloc(600_000, 'x') })
    const found = await bench.json<Record<string, unknown>>(['repo', 'stat'])
    assert.is(found['path'], bench.repo)
    assert.is(found['blocks'], 3)
    assert.ok(Number(found['blockBytes']) > 337_000)
    for (const name of ['allocatedBytes', 'maxBytes', 'records', 'pool', 'datasets', 'packs']) {
      assert.ok(name in found, name)
    }
    const text = await bench.ok(['repo', 'stat'])
    assert.match(text, /^blocks +3 blocks, /m)
    assert.match(text, /^pool +\S+, ONLINE, 0 errors$/m)
  }))

test('repo verify', () =>
  withDaemon(async bench => {
    await writeFile(bench.path('f'), Buffer.alloc(2_000_000, 'abcdefg'))
    await bench.ok(['add', '-q', 'f'])
    const report = await bench.json<Record<string, unknown>>(['repo', 'verify'])
    const { byPointer, byHash, ...rest } = report
    assert.equal(rest, { blocks: 9, unhashed: 0, bad: [], faults: [], ok: true })
    assert.is(Number(byPointer) + Number(byHash), 9)
    const { code, stdout, stderr } = await bench.run(['repo', 'verify', '--no-scrub'])
    assert.is(code, 0)
    assert.is(stderr, '')
    assert.match(stdout, /^verified 9 blocks: \d by block pointer, \d by hash\n$/)
  }))

test('repo gc and compact', () =>
  withDaemon(async bench => {
    const kept = await bench.ok(['add', '-Q', '-'], { input: Buffer.alloc(600_000, 'kept') })
    const loose = await bench.ok(['add', '-Q', '--no-pin', '-'], { input: 'loose' })
    assert.is(await bench.ok(['repo', 'gc', '-v']), `removed ${loose}\nremoved 1 block`)
    assert.equal(await bench.lines(['repo', 'gc']), [])
    assert.is((await bench.run(['cat', kept])).out.length, 600_000)
    await bench.ok(['pin', 'rm', kept])
    assert.is((await bench.lines(['repo', 'gc'])).length, 3)
    assert.equal(await bench.lines(['refs', 'local']), [])
    const { freedBytes } = await bench.json<{ freedBytes: number }>(['repo', 'compact'])
    assert.ok(freedBytes >= 0)
  }))

test('snapshots', () =>
  bothWays(async bench => {
    assert.equal(await bench.lines(['snapshot', 'list']), [])
    assert.is(await bench.ok(['snapshot', 'list']), 'no snapshots')
    const before = await bench.ok(['add', '-Q', '-'], { input: 'before' })
    const made = await bench.json<Snapshot>(['snapshot', 'create', 'monday'])
    assert.is(made.name, 'monday')
    assert.ok(Math.abs(Date.parse(made.created) - Date.now()) < 60_000)
    const after = await bench.ok(['add', '-Q', '-'], { input: 'after' })
    await bench.ok(['pin', 'rm', before])
    await bench.ok(['repo', 'gc'])
    await bench.fails(['block', 'rm', before])

    assert.is((await bench.fails(['snapshot', 'create', 'monday'])).code, 'ERR_EXISTS')
    assert.match((await bench.fails(['snapshot', 'create', 'a b'])).message, /cannot be a snapshot/)
    await bench.fails(['snapshot', 'rollback', 'tuesday'])
    const named = await bench.ok(['snapshot', 'create'])
    assert.match(named, /^created 20\d\d-\d\d-\d\dT/)
    const newer = named.replace('created ', '')
    assert.is((await bench.fails(['snapshot', 'rollback', 'monday'])).code, 'ERR_BUSY')
    const listed = await bench.lines<Snapshot>(['snapshot', 'list'])
    assert.equal(
      listed.map(({ name }) => name),
      ['monday', newer]
    )
    assert.match(await bench.ok(['snapshot', 'list']), /^NAME +CREATED +OWN +HOLDS\nmonday +20/)

    assert.is(await bench.ok(['snapshot', 'destroy', newer]), `destroyed ${newer}`)
    assert.is(await bench.ok(['snapshot', 'rollback', 'monday']), 'rolled back to monday')
    assert.is(await bench.ok(['cat', before]), 'before')
    assert.equal(await bench.json(['pin', 'ls', before]), { cid: before, type: 'recursive' })
    await bench.fails(['block', 'rm', after])
    const { ok } = await bench.json<{ ok: boolean }>(['repo', 'verify'])
    assert.is(ok, true)
    await bench.ok(['snapshot', 'destroy', 'monday'])
    assert.is((await bench.fails(['snapshot', 'destroy', 'monday'])).code.slice(0, 4), 'ERR_')
  }))

test.run()
