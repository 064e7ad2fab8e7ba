import * as dagPb from '@ipld/dag-pb'
import { CID } from 'multiformats/cid'
import { linksOf } from '../unixfs/blocks.ts'
import { identityCode } from '../unixfs/hashers.ts'
import { keyBytes, keyText, packKeys } from './catalog.ts'
import { BadBlockError } from './errors.ts'
import { blockKey, Kind, kindOf, nodeKey } from './node.ts'

/**
 * The nodes that a block links to, each once, without identity CIDs: those are nowhere stored.
 * Leaves apart from the others, because all that is asked of a leaf is whether it is here.
 */
export interface Links {
  /** Keys of leaves, back to back. */
  leaves: Uint8Array
  leafCid(index: number): CID
  /** Node keys of the others, back to back. */
  inner: Uint8Array
  kinds: Uint8Array
  innerCid(index: number): CID
}

export function linkCount({ leaves, inner }: Links): number {
  return (leaves.length + inner.length) / keyBytes
}

const none = new Uint8Array(0)
const noCid = (): never => {
  throw new RangeError('there is no link')
}
const noLinks: Links = {
  leaves: none,
  leafCid: noCid,
  inner: none,
  kinds: none,
  innerCid: noCid
}

/** Inline blocks may hold inline blocks, and so on: CIDs are no longer than their block. */
const inlineDepthMax = 32

/** BadBlockError when the bytes do not decode, UnknownCodecError for a link of an unknown codec. */
export function nodeLinks(cid: CID, bytes: Uint8Array): Links {
  if (kindOf(cid.code) === Kind.leaf) return noLinks
  const set = new LinkSet()
  addLinks(set, cid, bytes, 0)
  return set.links()
}

function addLinks(set: LinkSet, cid: CID, bytes: Uint8Array, depth: number): void {
  let links: Uint8Array[]
  try {
    links = linkBytes(cid, bytes)
  } catch (error) {
    throw new BadBlockError(cid, error)
  }
  for (const link of links) {
    const inline = set.add(link)
    if (inline == null) continue
    if (depth === inlineDepthMax) throw new BadBlockError(cid, 'inline blocks nest too deeply')
    addLinks(set, inline, inline.multihash.digest, depth + 1)
  }
}

class LinkSet {
  readonly #seen = new Set<string>()
  readonly #leaves: Uint8Array[] = []
  readonly #leafCids: Uint8Array[] = []
  readonly #inner: Uint8Array[] = []
  readonly #kinds: Kind[] = []
  readonly #innerCids: Uint8Array[] = []

  /** The CID, when it is inline and may have links. */
  add(bytes: Uint8Array): CID | undefined {
    const { codec, multihash } = parseCid(bytes)
    const kind = kindOf(codec)
    if (multihash[0] === identityCode) return kind === Kind.leaf ? undefined : CID.decode(bytes)
    const key = nodeKey(blockKey(multihash), kind)
    const text = keyText(key)
    if (this.#seen.has(text)) return undefined
    this.#seen.add(text)
    if (kind === Kind.leaf) {
      this.#leaves.push(key)
      this.#leafCids.push(bytes)
    } else {
      this.#inner.push(key)
      this.#kinds.push(kind)
      this.#innerCids.push(bytes)
    }
    return undefined
  }

  links(): Links {
    const leafCids = this.#leafCids
    const innerCids = this.#innerCids
    return {
      leaves: packKeys(this.#leaves),
      leafCid: index => CID.decode(leafCids[index] as Uint8Array),
      inner: packKeys(this.#inner),
      kinds: Uint8Array.from(this.#kinds),
      innerCid: index => CID.decode(innerCids[index] as Uint8Array)
    }
  }
}

/** Every CID, for those who look at few. */
export function* cidsOf(links: Links): Generator<CID> {
  for (let i = 0; i < links.leaves.length / keyBytes; i++) yield links.leafCid(i)
  for (let i = 0; i < links.kinds.length; i++) yield links.innerCid(i)
}

interface CidParts {
  codec: number
  multihash: Uint8Array
}

/** The two usual forms without making objects of them: sha2-256 in version 0, and in version 1. */
function parseCid(bytes: Uint8Array): CidParts {
  if (bytes.length === 34 && bytes[0] === 0x12 && bytes[1] === 0x20) {
    return { codec: dagPb.code, multihash: bytes }
  }
  const codec = bytes[1] ?? 0x80
  if (bytes.length === 36 && bytes[0] === 1 && codec < 0x80 && bytes[2] === 0x12) {
    if (bytes[3] === 0x20) return { codec, multihash: bytes.subarray(2) }
  }
  const cid = CID.decode(bytes)
  return { codec: cid.code, multihash: cid.multihash.bytes }
}

/** The bytes of each link's CID, in their order. */
function linkBytes(cid: CID, bytes: Uint8Array): Uint8Array[] {
  if (cid.code === dagPb.code) {
    const links = plainPbLinks(bytes)
    if (links != null) return links
  }
  return linksOf({ cid, bytes }).map(link => link.bytes)
}

const linksTag = 0x12
const dataTag = 0x0a
const hashTag = 0x0a
const nameTag = 0x12
const sizeTag = 0x18

/**
 * The links of a dag-pb block as every encoder writes it: links, each with hash, name and size in
 * this order, then data. Undefined for any other: it may be valid still, and the codec decides.
 * (https://ipld.io/specs/codecs/dag-pb/spec/)
 */
function plainPbLinks(bytes: Uint8Array): Uint8Array[] | undefined {
  const links: Uint8Array[] = []
  const at = { offset: 0 }
  while (at.offset < bytes.length && bytes[at.offset] === linksTag) {
    at.offset++
    const length = readVarint(bytes, at)
    const end = at.offset + length
    if (length < 0 || end > bytes.length) return undefined
    const hash = readPlainLink(bytes, at, end)
    if (hash == null) return undefined
    links.push(hash)
  }
  if (at.offset === bytes.length) return links
  if (bytes[at.offset++] !== dataTag) return undefined
  const length = readVarint(bytes, at)
  return length >= 0 && at.offset + length === bytes.length ? links : undefined
}

interface Place {
  offset: number
}

function readPlainLink(bytes: Uint8Array, at: Place, end: number): Uint8Array | undefined {
  if (bytes[at.offset++] !== hashTag) return undefined
  const hashLength = readVarint(bytes, at)
  const hash = bytes.subarray(at.offset, at.offset + hashLength)
  at.offset += hashLength
  if (hashLength < 4 || at.offset > end) return undefined
  const isUsual = hashLength === 34 ? bytes[at.offset - 34] === 0x12 : hashLength === 36
  if (!isUsual) return undefined
  if (at.offset < end && bytes[at.offset] === nameTag) {
    at.offset++
    const nameLength = readVarint(bytes, at)
    at.offset += nameLength
    if (nameLength < 0 || at.offset > end) return undefined
  }
  if (at.offset < end && bytes[at.offset] === sizeTag) {
    at.offset++
    if (readVarint(bytes, at) < 0) return undefined
  }
  return at.offset === end ? hash : undefined
}

/** -1 for one that is cut off or over 2^53. */
function readVarint(bytes: Uint8Array, at: Place): number {
  let value = 0
  for (let scale = 1; scale < 2 ** 56; scale *= 128) {
    const byte = bytes[at.offset++]
    if (byte == null) return -1
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value <= Number.MAX_SAFE_INTEGER ? value : -1
  }
  return -1
}
