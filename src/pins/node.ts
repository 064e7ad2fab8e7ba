import { hash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { UnknownCodecError } from '../unixfs/blocks.ts'
import { keyBytes } from './catalog.ts'

/**
 * A node is a block read with a codec: raw bytes are a leaf, the same bytes as dag-pb have links.
 * Codecs that find the same links in the same bytes are one kind.
 */
export const Kind = { leaf: 0, dagPb: 1, dagCbor: 2, dagJson: 3 } as const
export type Kind = (typeof Kind)[keyof typeof Kind]
export const kinds: readonly Kind[] = [0, 1, 2, 3]

/** Multicodec codes: raw, libp2p-key and json have no links; cbor is read as dag-cbor. */
const kindOfCodec = new Map<number, Kind>([
  [0x55, Kind.leaf],
  [0x72, Kind.leaf],
  [0x0200, Kind.leaf],
  [0x70, Kind.dagPb],
  [0x71, Kind.dagCbor],
  [0x51, Kind.dagCbor],
  [0x0129, Kind.dagJson]
])

const codecOfKind = [0x55, 0x70, 0x71, 0x0129] as const

/** UnknownCodecError for one whose links are not known. */
export function kindOf(codec: number): Kind {
  const kind = kindOfCodec.get(codec)
  if (kind == null) throw new UnknownCodecError(codec)
  return kind
}

const sha256Code = 0x12

/**
 * The key of a block, as the native store has it: the digest of sha2-256 itself; for any other
 * multihash the complement of its SHA-256.
 */
export function blockKey(multihash: Uint8Array): Uint8Array {
  if (isSha256(multihash)) return multihash.subarray(2)
  const key = new Uint8Array(hash('sha256', multihash, 'buffer'))
  for (let i = 0; i < keyBytes; i++) key[i] = ~(key[i] as number)
  return key
}

export function isSha256(multihash: Uint8Array): boolean {
  return multihash.length === 34 && multihash[0] === sha256Code && multihash[1] === keyBytes
}

/**
 * The key of a node: that of its block with the kind in its last two bits, by exclusive or. Two
 * nodes have one key only if two digests differ in nothing but those bits.
 */
export function nodeKey(block: Uint8Array, kind: Kind): Uint8Array {
  if (kind === Kind.leaf) return block
  const key = new Uint8Array(block)
  key[keyBytes - 1] = (key[keyBytes - 1] as number) ^ kind
  return key
}

/** The way back. It is its own inverse. */
export const blockKeyOf = nodeKey

/** What `refs` has of a node: how many live nodes and pins refer to it, and whether it is expanded. */
export interface Refs {
  count: number
  /** Its links are counted. A leaf, which has none, never is. */
  expanded: boolean
}

/** What one link adds to the `refs` of a leaf. */
export const oneLeaf = 8

export function readRefs(value: number): Refs {
  return { count: Math.floor(value / 8), expanded: (value & 1) === 1 }
}

export function refsValue({ count, expanded }: Refs, kind: Kind): number {
  return count === 0 && !expanded ? 0 : count * 8 + kind * 2 + (expanded ? 1 : 0)
}

/** A CID for a node whose multihash is known: version 1, the first codec of its kind. */
export function cidOfNode(multihash: Uint8Array, kind: Kind): CID {
  return CID.createV1(codecOfKind[kind], Digest.decode(multihash))
}

export function sha256Multihash(key: Uint8Array): Uint8Array {
  const multihash = new Uint8Array(2 + keyBytes)
  multihash[0] = sha256Code
  multihash[1] = keyBytes
  multihash.set(key, 2)
  return multihash
}
