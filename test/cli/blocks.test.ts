import { writeFile } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDaemon } from './harness.ts'

const rawHello = 'bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'
const missing = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'

const test = suite('blocks')

test('block put, get, stat, rm', () =>
  withDaemon(async bench => {
    assert.equal(await bench.json(['block', 'put'], { input: 'hello world' }), {
      cid: rawHello,
      size: 11
    })
    await writeFile(bench.path('b'), 'hello world')
    await writeFile(bench.path('c'), 'another')
    const both = await bench.lines<{ cid: string; size: number }>(['block', 'put', 'b', 'c'])
    assert.equal(
      both.map(({ size }) => size),
      [11, 7]
    )
    assert.is(both[0]?.cid, rawHello)
    assert.is((await bench.run(['block', 'get', rawHello])).stdout, 'hello world')
    assert.equal(await bench.json(['block', 'stat', rawHello]), { cid: rawHello, size: 11 })
    assert.is(await bench.ok(['block', 'stat', rawHello]), `${rawHello} 11`)
    assert.equal(await bench.json(['block', 'rm', rawHello]), { cid: rawHello })
    assert.is((await bench.lines(['refs', 'local'])).length, 1)
    assert.is((await bench.fails(['block', 'rm', rawHello])).code, 'ERR_NOT_FOUND')
    await bench.ok(['block', 'rm', '--force', rawHello])
  }))

test('a block of 4 MiB and one over it', () =>
  withDaemon(async bench => {
    const limit = Buffer.alloc(4 << 20, 1)
    const { size } = await bench.json<{ size: number }>(['block', 'put'], { input: limit })
    assert.is(size, 4 << 20)
    const over = { input: Buffer.alloc((4 << 20) + 1, 1) }
    const { code, message } = await bench.fails(['block', 'put'], over)
    assert.match(message, /4|big|large|limit/i)
    assert.ok(['ERR_TOO_LARGE', 'ERR_RPC'].includes(code), code)
  }))

test('bad CIDs', () =>
  withDaemon(async bench => {
    for (const bad of ['nonsense', 'bafkreinonsense', '-', '']) {
      for (const command of [['cat'], ['block', 'get'], ['ls'], ['get'], ['export']]) {
        await bench.fails([...command, '--', bad])
      }
    }
  }))

test('a block that is not there', async () => {
  await withDaemon(async bench => {
    const fails = async (...args: string[]) =>
      (await bench.run(['--json', ...args], { signalAfter: { signal: 'SIGINT', ms: 4000 } })).code
    for (const command of [['block', 'stat'], ['cat'], ['ls']]) {
      // A daemon waits for the network; without one it is known at once.
      assert.ok([1, 130].includes((await fails(...command, missing)) ?? 130))
    }
  })
})

test('an identity CID needs no block', () =>
  withDaemon(async bench => {
    const identity = 'bafkqabtimvwgy3yk'
    assert.is((await bench.run(['block', 'get', identity])).stdout, 'hello\n')
    assert.is((await bench.run(['cat', identity])).stdout, 'hello\n')
    assert.equal(await bench.lines(['refs', 'local']), [])
  }))

test('dag put, dag get, refs', () =>
  withDaemon(async bench => {
    const leaf = await bench.ok(['block', 'put'], { input: 'leaf' })
    const node = JSON.stringify({ a: { '/': leaf }, list: [1, 'two', null] })
    const { cid } = await bench.json<{ cid: string }>(['dag', 'put'], { input: node })
    assert.equal(JSON.parse(await bench.ok(['dag', 'get', cid])), JSON.parse(node))
    assert.is(await bench.ok(['dag', 'get', `${cid}/list/1`]), '"two"')
    const top = await bench.ok(['dag', 'put'], { input: `{"sub":{"/":"${cid}"}}` })
    assert.equal(await bench.lines(['refs', top]), [{ cid }])
    assert.equal(await bench.lines(['refs', '-r', top]), [{ cid }, { cid: leaf }])
    assert.is((await bench.lines(['refs', 'local'])).length, 3)
  }))

test('pin add, ls, rm', () =>
  withDaemon(async bench => {
    const root = await bench.ok(['add', '-Q', '--no-pin', '-'], { input: Buffer.alloc(600_000) })
    assert.equal(await bench.lines(['pin', 'ls']), [])
    assert.equal(await bench.json(['pin', 'add', root]), { cid: root, mode: 'recursive' })
    assert.equal(await bench.json(['pin', 'ls', root]), { cid: root, type: 'recursive' })
    assert.is(await bench.ok(['pin', 'ls', '-q', '--type', 'recursive']), root)
    assert.is(await bench.ok(['pin', 'rm', root]), `unpinned ${root}`)
    const { message } = await bench.fails(['pin', 'rm', root])
    assert.match(message, /not pinned/)
    await bench.ok(['pin', 'add', '--name', 'a name', root])
    assert.equal(await bench.lines(['pin', 'ls', '--names', '--type', 'recursive']), [
      { cid: root, type: 'recursive', name: 'a name' }
    ])
  }))

test.run()
