import { mkdtemp, open, readFile, rm, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import { compareMembers, fanOut, memberOf, type Member } from './format.ts'
import { buildPart, joinParts, write, type Part, type PinsetBlocks } from './tree.ts'

/** Two digits of the key: a file each, so that one part of 256 is in memory at a time. */
const files = 256
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
    for await (const cid of cids) {
      signal?.throwIfAborted()
      const writing = spill.add(memberOf(cid))
      if (writing != null) await writing
      onRead?.(++read)
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

/** CIDs by the first byte of their key, each behind a byte pair with its length. */
class Spill {
  readonly #folder: string
  readonly #pending: Uint8Array[][] = Array.from({ length: files }, () => [])
  readonly #bytes = new Uint32Array(files)
  readonly #handles = new Map<number, FileHandle>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** A promise only when something is to be waited for. */
  add({ cid, key }: Member): Promise<void> | undefined {
    const file = key[0] as number
    const { bytes } = cid
    const record = new Uint8Array(2 + bytes.length)
    record[0] = bytes.length >> 8
    record[1] = bytes.length & 255
    record.set(bytes, 2)
    this.#pending[file]?.push(record)
    this.#bytes[file] = (this.#bytes[file] as number) + record.length
    return this.#bytes[file] < bufferedBytes ? undefined : this.#write(file)
  }

  async end(): Promise<void> {
    // the files that were never opened are short enough to stay where they are
    for (const file of this.#handles.keys()) await this.#write(file)
  }

  /** Distinct and in order. */
  async members(file: number): Promise<Member[]> {
    const handle = this.#handles.get(file)
    const bytes =
      handle == null ? Buffer.concat(this.#pending[file] ?? []) : await readFile(this.#path(file))
    const members: Member[] = []
    for (let at = 0; at < bytes.length;) {
      const length = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
      members.push(memberOf(CID.decode(new Uint8Array(bytes.subarray(at + 2, at + 2 + length)))))
      at += 2 + length
    }
    members.sort(compareMembers)
    return members.filter(
      (member, i) => i === 0 || compareMembers(members[i - 1] as Member, member) !== 0
    )
  }

  async close(): Promise<void> {
    for (const handle of this.#handles.values()) await handle.close()
  }

  async #write(file: number): Promise<void> {
    const pending = this.#pending[file] as Uint8Array[]
    this.#pending[file] = []
    this.#bytes[file] = 0
    let handle = this.#handles.get(file)
    if (handle == null) {
      handle = await open(this.#path(file), 'a', 0o600)
      this.#handles.set(file, handle)
    }
    await handle.appendFile(Buffer.concat(pending))
  }

  #path(file: number): string {
    return join(this.#folder, String(file))
  }
}
