/**
 * Streams between two pools, each opened by an engine of its own: full, incremental, from a bookmark,
 * compressed, raw encrypted; and what a cut or wrong stream says. Run in the lab.
 *
 *   streams.ts FOLDER SENDER RECEIVER
 */
import { closeSync, openSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import {
  native,
  type Engine,
  type Pool,
  type SendOptions,
  type Store
} from '../../../src/native.ts'
import { randomBlocks, type Block } from '../../blocks.ts'
import { rejection } from '../../rejection.ts'

const [folder = '', sender = '', receiver = ''] = process.argv.slice(2)
const MIB = 1024 * 1024
const key = new Uint8Array(32).fill(7)
const newKey = new Uint8Array(32).fill(8)

async function makePool(name: string, engine: string): Promise<Pool> {
  return native.createPool({
    name,
    vdevs: [join(folder, name)],
    layout: 'stripe',
    sizeBytes: 512 * MIB,
    engine: engine as Engine
  })
}

async function withStore<T>(pool: Pool, shard: string, work: (store: Store) => Promise<T>) {
  const store = await native.openStore(pool, {
    shards: [shard],
    bucketShards: new Uint16Array(4096)
  })
  const result = await work(store)
  await store.close()
  return result
}

const multihashes = (blocks: Block[]): Uint8Array[] => blocks.map(({ cid }) => cid.multihash.bytes)

async function put(pool: Pool, shard: string, blocks: Block[]): Promise<void> {
  await withStore(pool, shard, async store =>
    store.put(
      multihashes(blocks),
      blocks.map(({ bytes }) => bytes),
      'txg'
    )
  )
}

async function expectAll(pool: Pool, shard: string, blocks: Block[]): Promise<void> {
  await withStore(pool, shard, async store => {
    const got = await store.get(multihashes(blocks))
    for (const [i, bytes] of got.entries()) {
      if (!(bytes instanceof Uint8Array)) throw bytes ?? new Error(`block ${i} is not there`)
      assert.is(Buffer.compare(bytes, (blocks[i] as Block).bytes), 0)
    }
    assert.equal(await store.check(), [])
  })
}

const stream = join(folder, 'stream')

async function move(snapshot: string, to: string, options: SendOptions = {}): Promise<void> {
  const out = openSync(stream, 'w')
  await from.send(snapshot, out, options)
  closeSync(out)
  await receive(to)
}

async function receive(to: string): Promise<void> {
  const into = openSync(stream, 'r')
  try {
    await onto.receive(to, into)
  } finally {
    closeSync(into)
  }
}

const from = await makePool('from', sender)
const onto = await makePool('onto', receiver)
const first = [
  ...randomBlocks(10, 262_144),
  ...randomBlocks(100, 1000),
  ...randomBlocks(1, 4 * MIB)
]
const second = [...randomBlocks(10, 262_158), ...randomBlocks(50, 3000)]
const both = [...first, ...second]

for (const [shard, options] of [
  ['plain', {}],
  ['packed', { compressed: true }],
  ['secret', { raw: true }]
] as const) {
  const [source, target] = [`from/${shard}`, `onto/${shard}`]
  const isSecret = 'raw' in options
  await from.createDataset(source, { compression: 'lz4' }, isSecret ? key : undefined)
  await put(from, source, first)
  await from.snapshot([`${source}@one`])
  await move(`${source}@one`, `${target}@one`, options)
  if (isSecret) {
    assert.is((await rejection(expectAll(onto, target, first))).name, 'NotWritableError')
    const wrong = await rejection(onto.loadKey(target, newKey))
    assert.is(wrong.name, 'NotWritableError')
    // Looked at in a clone: the dataset itself stays as the stream left it.
    await onto.loadKey(target, key)
  }
  await onto.clone(`${target}@one`, `${target}-look`)
  await expectAll(onto, `${target}-look`, first)
  await onto.destroyDataset(`${target}-look`)

  await put(from, source, second)
  await from.snapshot([`${source}@two`])
  await from.bookmark(`${source}@one`, `${source}#one`)
  await from.hold(`${source}@one`, 'kept')
  assert.is((await rejection(from.destroySnapshots([`${source}@one`]))).name, 'BusyError')
  await from.release(`${source}@one`, 'kept')
  await from.destroySnapshots([`${source}@one`])
  await move(`${source}@two`, `${target}@two`, { ...options, from: `${source}#one` })
  await expectAll(onto, target, both)
  console.log(`ok ${shard}`)
}

// Keys: changed, unloaded, loaded by the new one.
await onto.changeKey('onto/secret', newKey)
await onto.unloadKey('onto/secret')
assert.is((await rejection(onto.loadKey('onto/secret', key))).name, 'NotWritableError')
await onto.loadKey('onto/secret', newKey)
await expectAll(onto, 'onto/secret', both)
console.log('ok keys')

// What does not fit, is no stream, or ends too early.
const out = openSync(stream, 'w')
await from.send('from/plain@two', out)
closeSync(out)
assert.is((await rejection(receive('onto/plain@two'))).name, 'ExistsError')
truncateSync(stream, 2 * MIB)
const cut = await rejection(receive('onto/cut@two'))
assert.is(cut.name, 'DeviceError', cut.message)
assert.match(cut.message, /cut short/)
truncateSync(stream, 0)
truncateSync(stream, 4096)
assert.is((await rejection(receive('onto/none@x'))).name, 'InvalidParametersError')
console.log('ok bad streams')
await from.close()
await onto.close()
