/**
 * Streams that are cut in the middle and resumed by the receiver's token, between two pools that
 * two engines made in one folder: whole and incremental, plain, compressed, raw encrypted.
 */
import { closeSync, copyFileSync, openSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { native, type Engine, type Pool, type SendOptions, type Store } from '../src/native.ts'
import { randomBlocks, type Block } from './blocks.ts'
import { rejection } from './rejection.ts'

const MIB = 1024 * 1024
const TOKEN = 'receive_resume_token'
const KEY = new Uint8Array(32).fill(9)

export const SENDER_POOL = 'giver'
export const RECEIVER_POOL = 'taker'

/** Leaves two exported pools, SENDER_POOL and RECEIVER_POOL, as files of their names in `folder`. */
export async function resumedStreams(
  folder: string,
  sender: Engine,
  receiver: Engine
): Promise<void> {
  const from = await makePool(folder, SENDER_POOL, sender)
  const onto = await makePool(folder, RECEIVER_POOL, receiver)
  const journey = new Journey(from, onto, join(folder, 'stream'))
  await journey.shard('plain', {})
  await journey.shard('packed', { compressed: true })
  await journey.shard('secret', { raw: true }, KEY)
  await journey.wrongTokens()
  await journey.wrongStreams()
  await from.close()
  await onto.close()
}

async function makePool(folder: string, name: string, engine: Engine): Promise<Pool> {
  const vdevs = [join(folder, name)]
  return native.createPool({ name, vdevs, layout: 'stripe', sizeBytes: 384 * MIB, engine })
}

async function withStore<T>(pool: Pool, shard: string, work: (store: Store) => Promise<T>) {
  const bucketShards = new Uint16Array(4096)
  const store = await native.openStore(pool, { shards: [shard], bucketShards })
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

const multihashes = (blocks: Block[]): Uint8Array[] => blocks.map(({ cid }) => cid.multihash.bytes)

class Journey {
  readonly #from: Pool
  readonly #onto: Pool
  /** The file that a stream goes through. */
  readonly #stream: string

  constructor(from: Pool, onto: Pool, stream: string) {
    this.#from = from
    this.#onto = onto
    this.#stream = stream
  }

  /** A shard's first snapshot and the difference to its second, each cut twice on its way. */
  async shard(name: string, options: SendOptions, key?: Uint8Array): Promise<void> {
    const [source, target] = [`${SENDER_POOL}/${name}`, `${RECEIVER_POOL}/${name}`]
    const first = [...randomBlocks(10, 262_144), ...randomBlocks(100, 1000)]
    const second = [...randomBlocks(10, 262_158), ...randomBlocks(50, 3000)]
    await this.#from.createDataset(source, { compression: 'lz4' }, key)
    await this.#put(source, first)
    await this.#from.snapshot([`${source}@one`])
    await this.#moveInParts(`${source}@one`, `${target}@one`, options)
    await this.#put(source, second)
    await this.#from.snapshot([`${source}@two`])
    await this.#from.bookmark(`${source}@one`, `${source}#one`)
    await this.#moveInParts(`${source}@two`, `${target}@two`, { ...options, from: `${source}#one` })
    if (key != null) await this.#onto.loadKey(target, key)
    // Looked at in a clone: the dataset itself stays as the stream left it.
    await this.#onto.clone(`${target}@two`, `${target}-look`)
    await this.#expectAll(`${target}-look`, [...first, ...second])
    await this.#onto.destroyDataset(`${target}-look`)
  }

  /** What is refused before a byte is sent. */
  async wrongTokens(): Promise<void> {
    const [source, target] = [`${SENDER_POOL}/plain`, `${RECEIVER_POOL}/half`]
    await this.#send(`${source}@one`)
    await this.#receiveCut(`${target}@one`, 0.5)
    const resumeToken = await this.#token(target)
    const altered = resumeToken.replace(/.$/, last => (last === '0' ? '1' : '0'))
    const refused: Array<[string, SendOptions, RegExp]> = [
      ['@one', { resumeToken: 'none' }, /no resume token/],
      ['@one', { resumeToken: altered }, /no resume token/],
      ['@one', { resumeToken: resumeToken.slice(0, -8) }, /no resume token/],
      ['@two', { resumeToken }, /not of giver\/plain@two/],
      ['@one', { resumeToken, from: `${source}#one` }, /not incremental/]
    ]
    for (const [snapshot, options, message] of refused) {
      const error = await rejection(this.#send(source + snapshot, options))
      assert.is(error.name, 'ResumeTokenError', error.message)
      assert.match(error.message, message)
      assert.is(statSync(this.#stream).size, 0)
    }
    const newer = await rejection(this.#send(`${source}@one`, { resumeToken: '2-0-0-00' }))
    assert.is(newer.name, 'NewerVersionError')
    assert.is(await this.#token(target), resumeToken)
    await this.#onto.abortReceive(target)
    assert.is((await rejection(this.#onto.abortReceive(target))).name, 'NotFoundError')
  }

  /** What is refused at the other end. */
  async wrongStreams(): Promise<void> {
    const [source, target] = [`${SENDER_POOL}/plain`, `${RECEIVER_POOL}/plain`]
    await this.#put(source, randomBlocks(10, 262_144))
    await this.#from.snapshot([`${source}@three`])
    const options = { from: `${source}@two` }
    await this.#send(`${source}@three`, options)
    const stream = `${this.#stream}-whole`
    copyFileSync(this.#stream, stream)
    await this.#receiveCut(`${target}@three`, 0.3)
    const early = await this.#token(target)
    copyFileSync(stream, this.#stream)
    const kept = await rejection(this.#receive(`${target}@three`))
    assert.is(kept.name, 'BusyError', kept.message)
    assert.match(kept.message, /receive_resume_token/)

    // A part is dropped, and then no stream goes on from it.
    await this.#send(`${source}@three`, { ...options, resumeToken: early })
    const rest = `${this.#stream}-rest`
    copyFileSync(this.#stream, rest)
    await this.#onto.abortReceive(target)
    assert.is(await this.#token(target), '')
    await this.#expectResumeError(`${target}@three`)
    await this.#expectResumeError(`${RECEIVER_POOL}/nothing@three`)

    // The rest from an earlier point than what is kept now, which stays.
    copyFileSync(stream, this.#stream)
    await this.#receiveCut(`${target}@three`, 0.8)
    const resumeToken = await this.#token(target)
    assert.is.not(resumeToken, early)
    copyFileSync(rest, this.#stream)
    await this.#expectResumeError(`${target}@three`)
    assert.is(await this.#token(target), resumeToken)
    await this.#send(`${source}@three`, { ...options, resumeToken })
    await this.#receive(`${target}@three`)
  }

  async #expectResumeError(snapshot: string): Promise<void> {
    const error = await rejection(this.#receive(snapshot))
    assert.is(error.name, 'ResumeTokenError', error.message)
    assert.match(error.message, /does not go on from where/)
  }

  async #moveInParts(snapshot: string, to: string, options: SendOptions): Promise<void> {
    const target = to.slice(0, to.indexOf('@'))
    await this.#send(snapshot, options)
    const wholeBytes = statSync(this.#stream).size
    let resumed = options
    for (const share of [0.4, 0.5]) {
      await this.#receiveCut(to, share)
      // The token alone says what the stream was like.
      resumed = { from: options.from, resumeToken: await this.#token(target) } as SendOptions
      if (options.from == null) delete resumed.from
      await this.#send(snapshot, resumed)
    }
    assert.ok(statSync(this.#stream).size < 0.6 * wholeBytes, 'the rest is shorter than the whole')
    const listed = await this.#onto.listDatasets(RECEIVER_POOL)
    assert.equal(
      listed.filter(({ name }) => name.includes('%')),
      []
    )
    await this.#receive(to)
    assert.is(await this.#token(target), '')
  }

  /** Receives the first `share` of the stream, which is too little. */
  async #receiveCut(to: string, share: number): Promise<void> {
    truncateSync(this.#stream, Math.floor(statSync(this.#stream).size * share))
    const cut = await rejection(this.#receive(to))
    assert.is(cut.name, 'DeviceError', cut.message)
    assert.match(cut.message, /cut short/)
  }

  async #token(dataset: string): Promise<string> {
    return (await this.#onto.getProperties(dataset))[TOKEN] ?? ''
  }

  async #send(snapshot: string, options: SendOptions = {}): Promise<void> {
    const out = openSync(this.#stream, 'w')
    try {
      await this.#from.send(snapshot, out, options)
    } finally {
      closeSync(out)
    }
  }

  async #receive(to: string): Promise<void> {
    const into = openSync(this.#stream, 'r')
    try {
      await this.#onto.receive(to, into, { resumable: true })
    } finally {
      closeSync(into)
    }
  }

  async #put(shard: string, blocks: Block[]): Promise<void> {
    const bytes = blocks.map(block => block.bytes)
    await withStore(this.#from, shard, store => store.put(multihashes(blocks), bytes, 'txg'))
  }

  async #expectAll(shard: string, blocks: Block[]): Promise<void> {
    await withStore(this.#onto, shard, async store => {
      const got = await store.get(multihashes(blocks))
      for (const [i, bytes] of got.entries()) {
        if (!(bytes instanceof Uint8Array)) throw bytes ?? new Error(`block ${i} is not there`)
        assert.is(Buffer.compare(bytes, (blocks[i] as Block).bytes), 0)
      }
      assert.equal(await store.check(), [])
    })
  }
}
