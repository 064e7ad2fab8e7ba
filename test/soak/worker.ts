import { Key } from 'interface-datastore'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import type { Repo } from '../../src/index.ts'
import type { Random } from '../random.ts'

const BLOCKS_MAX = 400
const RECORDS_MAX = 200
/** From empty to the largest allowed, with the sizes where the layout changes. */
const SIZES = [0, 1, 200, 1024, 60_000, 65_535, 65_536, 262_144, 262_158, 1_048_576, 4_194_304]

interface Known {
  bytes: Uint8Array
  /** `maybe` after an aborted change: either outcome is right. */
  state: 'there' | 'gone' | 'maybe'
}

/** One stream of operations over blocks and records that no other worker touches. */
export class SoakWorker {
  operations = 0
  aborted = 0
  private readonly id: number
  private readonly random: Random
  private readonly blocks = new Map<string, Known>()
  private readonly records = new Map<string, Known>()

  constructor(id: number, random: Random) {
    this.id = id
    this.random = random
  }

  summary(): string {
    return `worker ${this.id}: ${this.operations} operations, ${this.blocks.size} blocks known`
  }

  async run(repo: Repo, deadline: number): Promise<void> {
    const steps = [
      () => this.putBlock(repo),
      () => this.putBlock(repo),
      () => this.putBlock(repo),
      () => this.checkBlock(repo),
      () => this.checkBlock(repo),
      () => this.deleteBlock(repo),
      () => this.putRecord(repo),
      () => this.checkRecord(repo)
    ]
    while (Date.now() < deadline) {
      await this.random.pick(steps)()
      this.operations++
      // The model holds the bytes: forget settled deletions so that it stays small.
      for (const [cid, known] of this.blocks) if (known.state === 'gone') this.blocks.delete(cid)
      if (this.blocks.size > BLOCKS_MAX) await this.deleteBlock(repo)
    }
  }

  async checkAll(repo: Repo): Promise<void> {
    for (const [cid, known] of this.blocks) await checkOne(repo, CID.parse(cid), known)
    for (const [key, known] of this.records) {
      if (!(await repo.datastore.has(new Key(key)))) {
        if (known.state === 'there') throw new Error(`record ${key} is lost`)
        continue
      }
      same(await repo.datastore.get(new Key(key)), known.bytes, key)
    }
  }

  /** One in ten changes gets a signal that fires within a few milliseconds. */
  private async change(known: Known, to: 'there' | 'gone', run: Change): Promise<void> {
    const abort = this.random.int(10) === 0
    const signal = abort ? AbortSignal.timeout(1 + this.random.int(10)) : undefined
    try {
      await run(signal == null ? {} : { signal })
      known.state = to
    } catch (error) {
      if (signal?.aborted !== true) throw error
      this.aborted++
      known.state = 'maybe'
    }
  }

  private async putBlock(repo: Repo): Promise<void> {
    const bytes = this.random.bytes(this.random.pick(SIZES) + 8)
    const sized = bytes.subarray(0, Math.min(bytes.length, 4_194_304))
    const cid = CID.createV1(raw.code, await sha256.digest(sized))
    const known: Known = this.blocks.get(cid.toString()) ?? { bytes: sized, state: 'gone' }
    this.blocks.set(cid.toString(), known)
    await this.change(known, 'there', async options => repo.blockstore.put(cid, sized, options))
  }

  private async deleteBlock(repo: Repo): Promise<void> {
    const [cid, known] = this.random.pick([...this.blocks]) ?? []
    if (cid == null || known == null) return
    await this.change(known, 'gone', async options =>
      repo.blockstore.delete(CID.parse(cid), options)
    )
  }

  private async checkBlock(repo: Repo): Promise<void> {
    const [cid, known] = this.random.pick([...this.blocks]) ?? []
    if (cid != null && known != null) await checkOne(repo, CID.parse(cid), known)
  }

  private async putRecord(repo: Repo): Promise<void> {
    const key = `/soak/${this.id}/${this.random.int(RECORDS_MAX)}`
    const bytes = this.random.bytes(this.random.int(3_000))
    const previous = this.records.get(key)
    // An aborted overwrite would leave two right answers; records are overwritten without signals.
    await repo.datastore.put(new Key(key), bytes)
    this.records.set(key, { bytes, state: 'there' })
    if (previous != null && this.random.int(4) === 0) {
      await repo.datastore.delete(new Key(key))
      this.records.delete(key)
    }
  }

  private async checkRecord(repo: Repo): Promise<void> {
    const [key, known] = this.random.pick([...this.records]) ?? []
    if (key == null || known == null) return
    same(await repo.datastore.get(new Key(key)), known.bytes, key)
  }
}

type Change = (options: { signal?: AbortSignal }) => Promise<unknown>

async function checkOne(repo: Repo, cid: CID, known: Known): Promise<void> {
  const there = await repo.blockstore.has(cid)
  if (known.state !== 'maybe' && there !== (known.state === 'there')) {
    throw new Error(`${cid.toString()} should be ${known.state}, and has() says ${there}`)
  }
  if (!there) return
  const chunks: Uint8Array[] = []
  for await (const chunk of repo.blockstore.get(cid)) chunks.push(chunk)
  same(Buffer.concat(chunks), known.bytes, cid.toString())
}

function same(got: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(got, expected) !== 0) throw new Error(`${what}: other bytes came back`)
}
