import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench } from './harness.ts'

const test = suite('alone')

test('every command without a daemon', async () => {
  await using bench = await Bench.make()
  await mkdir(bench.path('d/sub'), { recursive: true })
  await writeFile(bench.path('d/f'), 'hello world\n')
  const { cid: root } = await bench.json<{ cid: string }>(['add', '-Q', 'd'])
  assert.match(await bench.ok(['ls', root]), /12 B +f\n.* - +sub\/$/)
  assert.is(await bench.ok(['cat', `${root}/f`]), 'hello world')
  await bench.ok(['get', root, '-o', 'back'])
  assert.is(await readFile(bench.path('back/f'), 'utf8'), 'hello world\n')
  await bench.ok(['export', root, '-o', 'd.car'])
  const imported = await bench.json<{ blocks: number }>(['import', 'd.car'])
  assert.is(imported.blocks, 3)

  const block = await bench.ok(['block', 'put'], { input: 'block' })
  assert.is((await bench.run(['block', 'get', block])).stdout, 'block')
  assert.equal(await bench.json(['block', 'stat', block]), { cid: block, size: 5 })
  assert.is(await bench.ok(['block', 'rm', block]), `removed ${block}`)
  const node = await bench.ok(['dag', 'put'], { input: `{"d":{"/":"${root}"}}` })
  assert.is(await bench.ok(['dag', 'get', node]), `{"d":{"/":"${root}"}}`)
  assert.is(await bench.ok(['refs', node]), root)
  assert.is((await bench.lines(['refs', 'local'])).length, 4)

  assert.is(await bench.ok(['pin', 'ls']), `${root} recursive`)
  assert.is(await bench.ok(['pin', 'rm', root]), `unpinned ${root}`)
  assert.is(await bench.ok(['pin', 'add', node]), `pinned ${node} (recursive)`)
  assert.is(await bench.ok(['repo', 'gc']), 'removed 0 blocks')
  assert.match(await bench.ok(['repo', 'compact']), /given back$/)
  const { blocks } = await bench.json<{ blocks: number }>(['repo', 'stat'])
  assert.is(blocks, 4)
  const { ok } = await bench.json<{ ok: boolean }>(['repo', 'verify'])
  assert.is(ok, true)
  const identity = await bench.json<{ id: string; daemon: boolean }>(['id'])
  assert.match(identity.id, /^12D3Koo/)
  assert.is(identity.daemon, false)
  assert.match(await bench.ok(['version']), /^ipfs-zfs \d+\.\d+\.\d+/)
})

test.run()
