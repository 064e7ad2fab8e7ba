import { murmur364 } from '@multiformats/murmur3'
import type { PBLink } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { putNode, type Built, type PutBlock } from './node.ts'
import type { Profile } from './profile.ts'

/** 2^8: one byte of the hash chooses the child at each level. */
const fanout = 256
const hashBytes = 8
const hamtHashCode = 0x22n
const encoder = new TextEncoder()

export interface NamedLink {
  name: string
  built: Built
}

/** The bytes of the name's hash, in the order in which HAMT levels use them up. */
export async function hamtHash(name: string): Promise<Uint8Array> {
  return (await murmur364.digest(encoder.encode(name))).digest
}

/** Two hex digits, as Kubo prefixes the names of links in a shard. */
export function shardPrefix(slot: number): string {
  return slot.toString(16).toUpperCase().padStart(2, '0')
}

/** Writes a folder as a hash array mapped trie, as Kubo does for folders with very many entries. */
export async function writeShardedFolder(
  entries: NamedLink[],
  profile: Profile,
  put: PutBlock
): Promise<Built> {
  const hashed = await Promise.all(
    entries.map(async entry => ({ ...entry, hash: await hamtHash(entry.name) }))
  )
  return writeShard(hashed, 0, profile, put)
}

type HashedLink = NamedLink & { hash: Uint8Array }

async function writeShard(
  entries: HashedLink[],
  depth: number,
  profile: Profile,
  put: PutBlock
): Promise<Built> {
  if (depth === hashBytes)
    throw new Error('more names with one hash than a sharded folder can hold')
  const slots = new Map<number, HashedLink[]>()
  for (const entry of entries) {
    const slot = entry.hash[depth] as number
    const sharing = slots.get(slot)
    if (sharing == null) slots.set(slot, [entry])
    else sharing.push(entry)
  }
  const links: PBLink[] = []
  for (const slot of [...slots.keys()].sort((a, b) => a - b)) {
    const sharing = slots.get(slot) as HashedLink[]
    const [only] = sharing
    const single = sharing.length === 1 && only != null
    const built = single ? only.built : await writeShard(sharing, depth + 1, profile, put)
    const name = shardPrefix(slot) + (single ? only.name : '')
    links.push({ Name: name, Hash: built.cid, Tsize: built.cumulativeBytes })
  }
  const data = new UnixFS({
    type: 'hamt-sharded-directory',
    data: bitfield(slots.keys()),
    fanout: BigInt(fanout),
    hashType: hamtHashCode
  })
  return { ...(await putNode(profile, put, data.marshal(), links)), fileBytes: 0 }
}

/** Big-endian, without leading zero bytes: Go's bitfield as it is stored. */
function bitfield(slots: Iterable<number>): Uint8Array {
  const bytes = new Uint8Array(fanout / 8)
  for (const slot of slots) {
    const at = bytes.length - 1 - (slot >> 3)
    bytes[at] = (bytes[at] as number) | (1 << (slot & 7))
  }
  return bytes.subarray(bytes.findIndex(byte => byte !== 0))
}
