import { CarReader } from '@ipld/car'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench, bothWays, withDaemon } from './harness.ts'

interface Imported {
  roots: string[]
  blocks: number
  bytes: number
}

const test = suite('car')

test('export and import, by file and by pipe', () =>
  bothWays(async bench => {
    const content = Buffer.alloc(1_000_000, 'car')
    content.writeUInt32LE(1, 300_000)
    await writeFile(bench.path('f'), content)
    const root = await bench.ok(['add', '-Q', 'f'])
    const saved = await bench.json<{ root: string; path: string; bytes: number }>([
      'export',
      root,
      '-o',
      'f.car'
    ])
    const car = await readFile(bench.path('f.car'))
    assert.equal(saved, { root, path: bench.path('f.car'), bytes: car.length })
    const piped = await bench.run(['export', root])
    assert.is(piped.code, 0)
    assert.ok(piped.out.equals(car))
    const reader = await CarReader.fromBytes(car)
    assert.equal((await reader.getRoots()).map(String), [root])

    await using other = await Bench.make()
    const imported = await other.json<Imported>(['import', bench.path('f.car')])
    assert.is(imported.blocks, 5)
    assert.equal(imported.roots, [root])
    assert.ok((await other.run(['cat', root])).out.equals(content))
    const text = await other.ok(['import', '-'], { input: car })
    assert.match(text, new RegExp(`^root ${root}\nimported 5 blocks, \\d`))
    assert.equal(await other.lines(['pin', 'ls', '--type', 'recursive']), [
      { cid: root, type: 'recursive' }
    ])
    assert.equal(
      (await readdir(bench.folder)).filter(name => name.startsWith('.ipfs-zfs')),
      []
    )
  }))

test('damaged CARs', () =>
  withDaemon(async bench => {
    const root = await bench.ok(['add', '-Q', '-'], { input: Buffer.alloc(600_000, 'x') })
    await bench.ok(['export', root, '-o', 'good.car'])
    const good = await readFile(bench.path('good.car'))
    await using other = await Bench.make()
    const damaged = {
      'cut.car': good.subarray(0, good.length - 1000),
      'header.car': good.subarray(0, 10),
      'empty.car': Buffer.alloc(0),
      'noise.car': Buffer.alloc(5000, 0xa5)
    }
    for (const [name, bytes] of Object.entries(damaged)) {
      await writeFile(other.path(name), bytes)
      const { message } = await other.fails(['import', name])
      assert.match(message, /CAR|car|header|EOF|varint|CBOR|truncated/i, name)
    }
    const lying = Buffer.from(good)
    lying.writeUInt8((lying.at(-1) ?? 0) ^ 1, lying.length - 1)
    await writeFile(other.path('lying.car'), lying)
    await other.fails(['import', 'lying.car'])
    assert.equal(await other.fails(['import', 'none.car']), {
      code: 'ENOENT',
      message: 'none.car: no such file or folder'
    })
  }))

test('an export that fails leaves no file', async () => {
  await using bench = await Bench.make()
  await writeFile(bench.path('f'), Buffer.alloc(600_000, 'x'))
  const root = await bench.ok(['add', '-Q', '--no-pin', 'f'])
  const [leaf = ''] = (await bench.ok(['refs', root])).split('\n')
  await bench.ok(['block', 'rm', leaf])
  assert.is((await bench.fails(['export', root, '-o', 'f.car'])).code, 'ERR_NOT_FOUND')
  assert.equal(
    (await readdir(bench.folder)).filter(name => /car|ipfs-zfs-/.test(name)),
    []
  )
})

test.run()
