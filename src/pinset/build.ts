import { mkdtemp, open, readFile, rm, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { compareMembers, fanOut, memberAt, memberOf, type Member } from './format.ts'
import { buildPart, joinParts, write, type Part, type PinsetBlocks } from './tree.ts'

/** Two digits of the key: a file each, so that one part of 256 is in memory at a time. */
const files = 256
/** Written together. */
const bufferedBytes = 64 * 1024

export interface Built {
  root: CID
  members: number
}

export interface BuildOptions {
  /** How many members have been read. */
  onRead?: (members: number) => void
  signal?: AbortSignal
}

/**
 * Makes the pinset of any CIDs, in any order, some of them twice perhaps. They go through temporary
 * files, so memory does not grow with their number.
 */
export async function buildPinset(
  cids: AsyncIterable<CID> | Iterable<CID>,
  blocks: Pick<PinsetBlocks, 'put'>,
  { onRead, signal }: BuildOptions = {}
): Promise<Built> {
  const folder = await mkdtemp(join(tmpdir(), 'ipfs-zfs-pinset-'))
  const spill = new Spill(folder)
  try {
    let read = 0
    for await (const some of groupsOf(cids)) {
      signal?.throwIfAborted()
      for (const cid of some) {
        const writing = spill.add(memberOf(cid))
        if (writing != null) await writing
      }
      read += some.length
      onRead?.(read)
    }
    await spill.end()
    const upper: Part[] = []
    for (let first = 0; first < fanOut; first++) {
      const lower: Part[] = []
      for (let second = 0; second < fanOut; second++) {
        signal?.throwIfAborted()
        lower.push(await buildPart(await spill.members(first * fanOut + second), 2, blocks))
      }
      upper.push(await joinParts(lower, blocks))
    }
    const whole = await joinParts(upper, blocks)
    return { root: await write(whole, blocks), members: whole.count }
  } finally {
    await spill.close()
    await rm(folder, { recursive: true, force: true })
  }
}

const groupCids = 256

/** Each by itself would be waited for, which costs as much as hashing it. */
async function* groupsOf(cids: AsyncIterable<CID> | Iterable<CID>): AsyncGenerator<CID[]> {
  let group: CID[] = []
  if (Symbol.iterator in cids) {
    for (const cid of cids) {
      if (group.push(cid) < groupCids) continue
      yield group
      group = []
    }
  } else {
    for await (const cid of cids) {
      if (group.push(cid) < groupCids) continue
      yield group
      group = []
    }
  }
  yield group
}

const keyBytes = 32
const lengthBytes = 2

/** Members by the first byte of their key: the key, the length of the CID, the CID. */
class Spill {
  readonly #folder: string
  readonly #buffers = new Array<Buffer | undefined>(files)
  readonly #used = new Uint32Array(files)
  readonly #handles = new Map<number, FileHandle>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** A promise only when something is to be waited for. */
  add(member: Member): Promise<void> | undefined {
    const { bytes, key } = member
    const file = key[0] as number
    const writing = this.#room(file, keyBytes + lengthBytes + bytes.length)
    if (writing != null) return writing.then(() => this.add(member))
    const buffer = this.#buffers[file] as Buffer
    let at = this.#used[file] as number
    buffer.set(key, at)
    at = buffer.writeUInt16BE(bytes.length, at + keyBytes)
    buffer.set(bytes, at)
    this.#used[file] = at + bytes.length
    return undefined
  }

  async end(): Promise<void> {
    // the files that were never opened are short enough to stay where they are
    for (const file of this.#handles.keys()) await this.#write(file)
  }

  /** Distinct and in order. */
  async members(file: number): Promise<Member[]> {
    const bytes = this.#handles.has(file) ? await readFile(this.#path(file)) : this.#held(file)
    const members: Member[] = []
    for (let at = 0; at < bytes.length;) {
      const key = bytes.subarray(at, at + keyBytes)
      const cid = at + keyBytes + lengthBytes
      at = cid + bytes.readUInt16BE(at + keyBytes)
      members.push(memberAt(bytes.subarray(cid, at), key))
    }
    members.sort(compareMembers)
    return members.filter(
      (member, i) => i === 0 || compareMembers(members[i - 1] as Member, member) !== 0
    )
  }

  async close(): Promise<void> {
    for (const handle of this.#handles.values()) await handle.close()
  }

  #held(file: number): Buffer {
    return this.#buffers[file]?.subarray(0, this.#used[file]) ?? Buffer.alloc(0)
  }

  /** Few members take little; a buffer of full size is written and used again. */
  #room(file: number, needed: number): Promise<void> | undefined {
    const buffer = this.#buffers[file]
    const length = buffer?.length ?? 0
    const used = this.#used[file] as number
    if (used + needed <= length) return undefined
    if (length >= bufferedBytes && used > 0) return this.#write(file)
    const larger = Buffer.allocUnsafe(Math.max(1024, 2 * length, used + needed))
    buffer?.copy(larger, 0, 0, used)
    this.#buffers[file] = larger
    return undefined
  }

  async #write(file: number): Promise<void> {
    let handle = this.#handles.get(file)
    if (handle == null) {
      handle = await open(this.#path(file), 'a', 0o600)
      this.#handles.set(file, handle)
    }
    await handle.appendFile(this.#held(file))
    this.#used[file] = 0
  }

  #path(file: number): string {
    return join(this.#folder, String(file))
  }
}
