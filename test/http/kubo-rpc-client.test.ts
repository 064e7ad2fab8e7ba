/** The client that JavaScript programs use with Kubo, unchanged, against this node. */
import { create, type KuboRPCClient } from 'kubo-rpc-client'
import { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import { collect, rejection } from '../rejection.ts'
import { suite } from '../suite.ts'
import { serveNode, type Served } from './harness.ts'

const test = suite<Served & { client: KuboRPCClient }>('kubo-rpc-client')

test.before(async context => {
  Object.assign(context, await serveNode())
  context.client = create({ url: `http://127.0.0.1:${context.rpc}/api/v0` })
})
test.after(async ({ running }) => running.stop())

const body = Uint8Array.from({ length: 700_000 }, (_, i) => (i * 7 + (i >> 8) * 13) & 255)
const joined = async (source: AsyncIterable<Uint8Array>) => Buffer.concat(await collect(source))

test('files: add, addAll, cat, ls, get', async ({ client }) => {
  const progress: number[] = []
  const one = await client.add(
    { path: 'a ü.bin', content: body },
    { cidVersion: 1, progress: bytes => progress.push(bytes) }
  )
  assert.is(one.path, 'a ü.bin')
  assert.is(progress.at(-1), body.byteLength)
  assert.equal(await joined(client.cat(one.cid)), Buffer.from(body))
  assert.equal(
    await joined(client.cat(one.cid, { offset: 262_100, length: 100 })),
    Buffer.from(body.subarray(262_100, 262_200))
  )
  const all = await collect(
    client.addAll(
      [
        { path: 'f/x', content: 'x' },
        { path: 'f/sub/y', content: body },
        { path: 'f/z', content: 'z' }
      ],
      { wrapWithDirectory: true }
    )
  )
  assert.equal(
    all.map(({ path }) => path),
    ['f/x', 'f/sub/y', 'f/z', 'f/sub', 'f', '']
  )
  const folder = all.find(({ path }) => path === 'f')
  assert.ok(folder)
  const listed = await collect(client.ls(folder.cid))
  assert.equal(
    listed.map(({ name, type, size }) => [name, type, size]),
    [
      ['sub', 'dir', 0],
      ['x', 'file', 1],
      ['z', 'file', 1]
    ]
  )
  const tar = await joined(client.get(folder.cid))
  assert.is(tar.byteLength % 512, 0)
  assert.is(tar.subarray(0, 100).toString().replaceAll('\0', ''), folder.cid.toString())
})

test('blocks: put, stat, get, rm', async ({ client }) => {
  const cid = await client.block.put(new TextEncoder().encode('a block'))
  assert.equal(await client.block.stat(cid), { cid, size: 7 })
  assert.is(new TextDecoder().decode(await client.block.get(cid)), 'a block')
  const [removed] = await collect(client.block.rm(cid))
  assert.is(removed?.error, undefined)
  const [again] = await collect(client.block.rm(cid))
  assert.match(String(again?.error), /could not find/)
})

test('dag: put, get, resolve, export, import', async ({ client }) => {
  const value = { hello: ['world', { deep: 1 }], bytes: new Uint8Array([1, 2]) }
  const cid = await client.dag.put(value)
  assert.is(cid.code, 0x71)
  assert.equal((await client.dag.get(cid)).value, value)
  assert.is((await client.dag.get(cid, { path: 'hello/1/deep' })).value, 1)
  const resolved = await client.dag.resolve(cid, { path: '/hello/1' })
  assert.is(resolved.cid.toString(), cid.toString())
  const car = await joined(client.dag.export(cid))
  const [imported] = await collect(client.dag.import([car]))
  assert.is(imported?.root.cid.toString(), cid.toString())
  assert.is(imported?.root.pinErrorMsg, '')
})

test('pins: add, ls, rm', async ({ client }) => {
  const { cid } = await client.add('to be pinned', { pin: false })
  assert.match((await rejection(collect(client.pin.ls({ paths: cid })))).message, /is not pinned/)
  assert.is((await client.pin.add(cid)).toString(), cid.toString())
  const [pin] = await collect(client.pin.ls({ paths: cid, type: 'recursive' }))
  assert.is(pin?.type, 'recursive')
  const names = (await collect(client.pin.ls())).map(found => found.cid.toString())
  assert.ok(names.includes(cid.toString()))
  assert.is((await client.pin.rm(cid)).toString(), cid.toString())
  assert.match((await rejection(client.pin.rm(cid))).message, /^not pinned or pinned indirectly$/)
})

test('refs and the repo', async ({ client }) => {
  const { cid } = await client.add(body.toReversed(), { pin: false })
  const refs = await collect(client.refs(cid, { recursive: true }))
  assert.is(refs.length, 3)
  assert.ok((await collect(client.refs.local())).length > 3)
  const stat = await client.repo.stat()
  assert.ok(stat.numObjects > 0n)
  assert.is(stat.version, 'fs-repo@18')
  assert.ok((await collect(client.repo.gc())).length >= 3)
  assert.match((await rejection(joined(client.cat(cid)))).message, /could not find/)
})

test('who it is', async ({ client }) => {
  const id = await client.id()
  assert.match(id.agentVersion, /^ipfs-zfs\//)
  assert.ok((await client.version()).version)
  assert.match((await rejection(client.swarm.peers())).message, /must be run in online mode/)
  const missing = CID.parse('bafkreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')
  assert.match((await rejection(client.block.get(missing))).message, /could not find bafkreia/)
})

test.run()
