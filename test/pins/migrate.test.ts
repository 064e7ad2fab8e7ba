/** Pins of an older version of this program: counted once, at whatever moment it is stopped. */
import { Key } from 'interface-datastore'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as assert from 'uvu/assert'
import { migratePins } from '../../src/pins/migrate.ts'
import { Pins } from '../../src/pins/pins.ts'
import { collect, rejection } from '../rejection.ts'
import { blockOf, type DagBlock } from './dag-model.ts'
import { catalogFaults } from './invariants.ts'
import { cbor, leaf, worldSuite, type World } from './memory-world.ts'

const test = worldSuite('pins of an older version')

async function oldPin({ records }: World, cid: CID, pin: object): Promise<void> {
  const value = new TextEncoder().encode(JSON.stringify(pin))
  await records.put(new Key(`/ipfs-zfs/pins/${cid.toString()}`), value)
}

async function listed(pins: Pins): Promise<string[]> {
  const all = await collect(pins.ls())
  return all.map(({ cid, mode, name }) => `${cid.toString()} ${mode} ${name}`).sort()
}

/** A recursive pin with a name, a direct one, one of a codec that nobody reads; and a free block. */
async function fill(world: World): Promise<{ expected: string[]; free: DagBlock }> {
  const [below, free, single] = [leaf('below'), leaf('free'), leaf('single')]
  const root = cbor([below.cid])
  const git = blockOf(0x78, new Uint8Array([1]))
  for (const { cid, bytes } of [below, free, single, root, git]) world.blocks.put(cid, bytes)
  await oldPin(world, root.cid, { mode: 'recursive', name: 'the root' })
  await oldPin(world, single.cid, { mode: 'direct' })
  await oldPin(world, git.cid, { mode: 'direct', name: 'git' })
  const asRaw = CID.createV1(raw.code, git.cid.multihash)
  const expected = [
    `${root.cid.toString()} recursive the root`,
    `${single.cid.toString()} direct `,
    `${asRaw.toString()} direct git`
  ]
  return { expected: expected.sort(), free }
}

test('are counted with mode and name; other blocks become garbage', async world => {
  const { blocks, catalog, records, pins } = world
  const { expected, free } = await fill(world)
  assert.equal(await migratePins(records, pins, { noteBlocks: true }), { moved: 3, failed: [] })
  assert.equal(await listed(pins), expected)
  assert.equal(await catalogFaults(catalog, blocks), [])
  assert.is((await collect(records.queryKeys({ prefix: '/ipfs-zfs/pins/' }))).length, 0)
  const gone = await collect(pins.gc())
  assert.equal(gone.map(String), [free.cid.toString()])
  // again: one lookup
  await oldPin(world, free.cid, { mode: 'direct' })
  assert.equal(await migratePins(records, pins, { noteBlocks: true }), { moved: 0, failed: [] })
})

test('where another process pins for itself, no block is noted', async world => {
  const { records, pins, catalog } = world
  await fill(world)
  await migratePins(records, pins, { noteBlocks: false })
  assert.is(await catalog.count('loose'), 0)
  assert.equal(await collect(pins.gc()), [])
})

test('one that is not all here is told and stays, and nothing is garbage until it is', async world => {
  const { blocks, records, pins } = world
  const { expected } = await fill(world)
  const gone = leaf('gone')
  const broken = cbor([gone.cid])
  blocks.put(broken.cid, broken.bytes)
  await oldPin(world, broken.cid, { mode: 'recursive', name: '' })
  const { moved, failed } = await migratePins(records, pins, { noteBlocks: true })
  assert.is(moved, 3)
  assert.is(failed.length, 1)
  assert.is(failed[0]?.cid, broken.cid.toString())
  assert.match(failed[0]?.why ?? '', /could not find/)
  assert.equal(await listed(pins), expected)
  assert.equal(await collect(pins.gc()), [])
  blocks.put(gone.cid, gone.bytes)
  assert.equal(await migratePins(records, pins, { noteBlocks: true }), { moved: 1, failed: [] })
  assert.is((await listed(pins)).length, 4)
  assert.is((await collect(pins.gc())).length, 1)
})

test('stopped at any batch, it goes on at the next opening', async world => {
  const { blocks, catalog, records } = world
  const { expected } = await fill(world)
  for (let batches = 0; ; batches++) {
    let left = batches
    catalog.beforeApply = () => {
      if (left-- === 0) throw new Error('killed')
    }
    const pins = new Pins({ catalog, blocks, records })
    const done = await migratePins(records, pins, { noteBlocks: true }).then(
      ({ failed }) => failed.length === 0,
      () => false
    )
    catalog.beforeApply = () => {}
    if (done && left >= 0) break
    assert.ok(batches < 20)
  }
  const pins = new Pins({ catalog, blocks, records })
  assert.equal(await listed(pins), expected)
  assert.equal(await catalogFaults(catalog, blocks), [])
  assert.is((await collect(pins.gc())).length, 1)
})

test('a record that is no JSON stops it with its error, and takes nothing away', async world => {
  const { records, pins } = world
  const key = new Key('/ipfs-zfs/pins/broken')
  await records.put(key, new Uint8Array([0xff]))
  assert.match((await rejection(migratePins(records, pins, { noteBlocks: true }))).message, /JSON/)
  assert.ok(await records.has(key))
})

test.run()
