/**
 * Random operations on random DAGs, several at the same time, with failures in the middle, beside a
 * model that marks from the roots. PIN_MODEL_OPS sets how many (default 3,000; a long run: 100000).
 */
import { MemoryDatastore } from 'datastore-core'
import type { CID } from 'multiformats/cid'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Pins } from '../../src/pins/pins.ts'
import type { Fetcher } from '../../src/pins/types.ts'
import { Random } from '../random.ts'
import { collect } from '../rejection.ts'
import { multihashText, PinModel, randomBlocks, type DagBlock } from './dag-model.ts'
import { catalogFaults } from './invariants.ts'
import { MapBlocks } from './map-blocks.ts'
import { MemoryCatalog } from './memory-catalog.ts'

const operations = Number(process.env['PIN_MODEL_OPS'] ?? 3000)

class Crash extends Error {}

class World {
  readonly random: Random
  readonly catalog = new MemoryCatalog()
  readonly blocks = new MapBlocks()
  readonly records = new MemoryDatastore()
  readonly model = new PinModel()
  readonly dag: DagBlock[]
  readonly network = new Map<string, Uint8Array>()
  pins = this.#open()

  constructor(random: Random) {
    this.random = random
    this.dag = randomBlocks(60, random)
    for (const { cid, bytes } of this.dag) this.network.set(multihashText(cid), bytes)
  }

  #open(): Pins {
    return new Pins({ catalog: this.catalog, blocks: this.blocks, records: this.records })
  }

  /** As after a crash: what was in memory is gone, also what was stored a moment ago. */
  async reopen(): Promise<void> {
    this.catalog.beforeApply = () => {}
    this.pins = this.#open()
    await this.pins.noteAll()
  }

  fetcher(): Fetcher {
    return {
      fetch: async cid => {
        await new Promise(setImmediate)
        const bytes = this.network.get(multihashText(cid))
        if (bytes == null) throw new Error(`nobody has ${String(cid)}`)
        await this.pins.storing([cid.multihash.bytes], async () => this.blocks.put(cid, bytes))
        this.model.put({ cid, bytes })
      }
    }
  }

  async put(block: DagBlock): Promise<void> {
    const { cid, bytes } = block
    await this.pins.storing([cid.multihash.bytes], async () => this.blocks.put(cid, bytes))
    this.model.put(block)
  }

  async add(cid: CID, mode: 'recursive' | 'direct', online: boolean): Promise<void> {
    const name = this.random.int(3) === 0 ? `name ${this.random.int(9)}` : ''
    const fetcher = this.fetcher()
    await this.pins.add(cid, { mode, name, ...(online && { fetcher }) })
    this.model.pins.set(cid.toString(), { cid, mode, name })
  }

  /** One operation; what it may say no to is compared with the model. */
  async step(): Promise<string> {
    const { random, model } = this
    const { cid } = random.pick(this.dag)
    const text = cid.toString()
    const known = model.pins.get(text)
    switch (random.int(11)) {
      case 0:
      case 1:
      case 2: {
        await this.put(random.pick(this.dag))
        return 'put'
      }
      case 3:
      case 4: {
        const online = random.int(2) === 0
        const complete = model.dag(cid) != null
        const error = await this.add(cid, 'recursive', online).then(() => undefined, asError)
        if (complete || online) assert.is(error, undefined, `pin ${text}: ${error?.message}`)
        else assert.match(error?.message ?? 'pinned', /block was not found locally/)
        return 'add'
      }
      case 5: {
        const here = model.has(cid)
        const error = await this.add(cid, 'direct', false).then(() => undefined, asError)
        if (known?.mode === 'recursive') assert.match(error?.message ?? '', /already pinned rec/)
        else if (here) assert.is(error, undefined)
        else assert.match(error?.message ?? '', /not found locally/)
        return 'direct'
      }
      case 6:
      case 7: {
        const error = await this.pins.rm(cid).then(() => undefined, asError)
        if (known == null) assert.is(error?.message, 'not pinned or pinned indirectly')
        else assert.is(error, undefined)
        model.pins.delete(text)
        return 'rm'
      }
      case 8: {
        const absent = known ?? { cid, mode: 'direct', name: '' }
        const from = random.pick([...model.pins.values(), absent])
        const error = await this.pins
          .update(from.cid, cid, { fetcher: this.fetcher() })
          .then(() => undefined, asError)
        if (from.mode !== 'recursive') {
          assert.is(error?.message, "'from' cid was not recursively pinned already")
        } else {
          assert.is(error, undefined, error?.message)
          if (!from.cid.equals(cid)) {
            model.pins.delete(from.cid.toString())
            model.pins.set(text, { cid, mode: 'recursive', name: from.name })
          }
        }
        return 'update'
      }
      case 9: {
        const isLive = model.live().has(multihashText(cid))
        // what a walk that was cut short holds stays until the next collection
        const isHeld = !isLive && (await this.catalog.count('held')) > 0
        const kept = await this.pins.deleteFree([cid.multihash.bytes])
        if (!isHeld) assert.is(kept.length, isLive ? 1 : 0)
        if (kept.length === 0) model.blocks.delete(multihashText(cid))
        return 'delete'
      }
      default: {
        await collect(this.pins.gc())
        model.collect()
        return 'gc'
      }
    }
  }

  async check(): Promise<void> {
    const { model, pins } = this
    const faults = await catalogFaults(this.catalog, this.blocks)
    assert.equal(faults, [], faults.join('\n'))
    const listed = new Map<string, string>()
    for await (const { cid, mode, name } of pins.ls()) listed.set(cid.toString(), mode + name)
    const wanted = [...model.pins].map(([cid, { mode, name }]) => [cid, mode + name] as const)
    assert.equal(sorted(listed), sorted(wanted))
    for (const { cid } of this.dag) {
      const state = await pins.isPinned(cid, { through: true })
      const pin = model.pins.get(cid.toString())
      const wanted = pin?.mode ?? (model.isIndirect(cid) ? 'indirect' : undefined)
      assert.is(state?.type, wanted, cid.toString())
      if (state?.type === 'indirect') assert.ok(state.through != null)
    }
  }

  async checkCollected(): Promise<void> {
    await collect(this.pins.gc())
    this.model.collect()
    const here = [...this.blocks.all.values()].map(({ cid }) => multihashText(cid))
    assert.equal(here.sort(), [...this.model.blocks.keys()].sort())
  }
}

function asError(error: unknown): Error {
  // what the test itself did is no answer of the pins
  if (error instanceof Crash) throw error
  return error instanceof Error ? error : new Error(String(error))
}

function sorted(entries: Iterable<readonly [string, string]>): string[] {
  return [...entries].map(([cid, rest]) => `${cid} ${rest}`).sort()
}

test('one after the other: the same pins, the same counts, the same blocks as the model', async () => {
  const random = new Random('pins beside the model')
  for (let done = 0; done < operations;) {
    const world = new World(random)
    for (let i = 0; i < 150 && done < operations; i++, done++) {
      await world.step()
      if (i % 50 === 0) await world.check()
    }
    await world.check()
    await world.checkCollected()
    await world.check()
  }
})

test('cut short at any batch, it goes on after the next opening', async () => {
  const random = new Random('pins cut short')
  for (let done = 0; done < operations;) {
    const world = new World(random)
    for (let i = 0; i < 60 && done < operations; i++, done++) {
      let left = random.int(4)
      const cut = random.int(3) === 0
      if (cut) {
        world.catalog.beforeApply = () => {
          if (left-- <= 0) throw new Crash('cut short')
        }
      }
      const before = new Map(world.model.pins)
      try {
        await world.step()
      } catch (error) {
        if (!cut) throw error
        // whether the operation got as far as its one deciding batch, only the pins know
        await world.reopen()
        await settleModel(world, before)
      }
      await world.reopen()
    }
    await world.checkCollected()
    await world.check()
  }
})

/** After an operation that was cut short, every pin is as before or as it wanted. */
async function settleModel(world: World, before: PinModel['pins']): Promise<void> {
  world.model.pins.clear()
  let differing = 0
  for await (const { cid, mode, name } of world.pins.ls()) {
    world.model.pins.set(cid.toString(), { cid, mode, name })
    const was = before.get(cid.toString())
    if (was == null || was.mode !== mode) differing++
  }
  for (const text of before.keys()) if (!world.model.pins.has(text)) differing++
  assert.ok(differing <= 2, `${differing} pins changed by one operation`)
  world.model.blocks.clear()
  for (const block of world.blocks.all.values()) world.model.put(block)
}

test('many at the same time: no count is lost, no block that is needed', async () => {
  const random = new Random('pins at the same time')
  for (let done = 0; done < operations;) {
    const world = new World(random)
    for (let round = 0; round < 20 && done < operations; round++) {
      const works = Array.from({ length: 8 }, async () => {
        const { cid } = random.pick(world.dag)
        switch (random.int(7)) {
          case 0:
            return world.put(random.pick(world.dag))
          case 1:
          case 2:
            return world.pins.add(cid, { fetcher: world.fetcher() })
          case 3:
            return world.pins.rm(cid)
          case 4: {
            const stop = new AbortController()
            setImmediate(() => stop.abort(new Error('given up')))
            return world.pins.add(cid, { fetcher: world.fetcher(), signal: stop.signal })
          }
          case 5:
            await world.pins.deleteFree([cid.multihash.bytes])
            return
          default:
            await collect(world.pins.gc())
        }
      })
      done += works.length
      const allowed = /not pinned or|given up|already pinned recursively/
      for (const outcome of await Promise.allSettled(works)) {
        if (outcome.status === 'fulfilled') continue
        assert.match(asError(outcome.reason).message, allowed, asError(outcome.reason).stack)
      }
      world.model.pins.clear()
      world.model.blocks.clear()
      for await (const pin of world.pins.ls()) world.model.pins.set(pin.cid.toString(), pin)
      for (const block of world.blocks.all.values()) world.model.put(block)
      await world.check()
    }
    await world.checkCollected()
  }
})

test.run()
