import * as dagPb from '@ipld/dag-pb'
import { hash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { BadPinsetError } from './errors.ts'

/** docs/pinset.md: a DAG whose leaves link to any number of member roots. */

/** A block with more members than this is split. */
export const leafMembersMax = 4096
/** Ways of a split: one for each value of four bits. */
export const fanOut = 16

export interface Member {
  /** Of the CID. */
  bytes: Uint8Array
  /** SHA-256 of these bytes: its place. */
  key: Uint8Array
  /** The first 48 bits of the key, which tell nearly all members apart. */
  rank: number
}

export interface PinsetBlock {
  cid: CID
  bytes: Uint8Array
}

export type PinsetNode =
  | { kind: 'leaf'; count: number; members: Member[] }
  | { kind: 'split'; count: number; children: Array<CID | undefined> }

export function memberOf({ bytes }: CID): Member {
  return memberAt(bytes, hash('sha256', bytes, 'buffer'))
}

/** For who knows the key already. */
export function memberAt(bytes: Uint8Array, key: Buffer): Member {
  return { bytes, key, rank: key.readUIntBE(0, 6) }
}

export function compareMembers(a: Member, b: Member): number {
  return a.rank - b.rank || Buffer.compare(a.key, b.key)
}

/** Four bits of a key, the first ones at depth 0. */
export function digitAt(key: Uint8Array, depth: number): number {
  const byte = key[depth >> 1] as number
  return depth % 2 === 0 ? byte >> 4 : byte & 15
}

const prefix = 'pinset/1 '

const linksTag = 0x12
const dataTag = 0x0a
const hashTag = 0x0a
/** An empty name, a size of 0. */
const linkEnd = [0x12, 0, 0x18, 0]
/** Of what is not a CID: two tags, two lengths, the end. */
const linkBytesMax = 2 * (1 + 2) + linkEnd.length

/**
 * As dag-pb encodes links of no name and size 0, and the data after them: written here, because the
 * codec, which is for all that dag-pb can say, takes most of the time of making a pinset.
 */
export function encodeLeaf(members: Member[]): PinsetBlock {
  const data = Buffer.from(prefix + members.length)
  let bytesMax = 2 + data.length
  for (const { bytes } of members) bytesMax += linkBytesMax + bytes.length
  const out = new Uint8Array(bytesMax)
  let at = 0
  for (const { bytes } of members) {
    const hashBytes = 1 + varintBytes(bytes.length) + bytes.length
    out[at++] = linksTag
    at = writeVarint(hashBytes + linkEnd.length, out, at)
    out[at++] = hashTag
    at = writeVarint(bytes.length, out, at)
    for (let i = 0; i < bytes.length; i++) out[at++] = bytes[i] as number
    for (const byte of linkEnd) out[at++] = byte
  }
  out[at++] = dataTag
  out[at++] = data.length
  out.set(data, at)
  return blockOf(out.subarray(0, at + data.length))
}

function varintBytes(value: number): number {
  return value < 0x80 ? 1 : 1 + varintBytes(value >> 7)
}

function writeVarint(value: number, out: Uint8Array, at: number): number {
  for (; value >= 0x80; value >>= 7) out[at++] = (value & 0x7f) | 0x80
  out[at++] = value
  return at
}

export function encodeSplit(children: Array<CID | undefined>, count: number): PinsetBlock {
  const links = children.flatMap((cid, digit) =>
    cid == null ? [] : [{ Name: digit.toString(16), Hash: cid, Tsize: 0 }]
  )
  return blockOf(dagPb.encode({ Data: Buffer.from(prefix + count), Links: links }))
}

function blockOf(bytes: Uint8Array): PinsetBlock {
  const digest = Digest.create(0x12, hash('sha256', bytes, 'buffer'))
  return { cid: CID.createV1(dagPb.code, digest), bytes }
}

/** BadPinsetError for anything that `encode…` does not write. */
export function decodeNode({ cid, bytes }: PinsetBlock): PinsetNode {
  if (cid.code !== dagPb.code) throw new BadPinsetError(cid, 'it is not dag-pb')
  let node: dagPb.PBNode
  try {
    node = dagPb.decode(bytes)
  } catch (error) {
    throw new BadPinsetError(cid, error instanceof Error ? error.message : String(error))
  }
  const text = new TextDecoder().decode(node.Data ?? new Uint8Array(0))
  const count = Number(/^pinset\/1 (0|[1-9]\d{0,15})$/.exec(text)?.[1] ?? Number.NaN)
  if (!Number.isSafeInteger(count)) throw new BadPinsetError(cid, 'its data is not `pinset/1 N`')
  return count <= leafMembersMax ? leafOf(cid, node, count) : splitOf(cid, node, count)
}

function leafOf(cid: CID, { Links }: dagPb.PBNode, count: number): PinsetNode {
  const members = Links.map(({ Hash }) => memberOf(Hash))
  if (members.length !== count) throw new BadPinsetError(cid, 'its count is wrong')
  for (let i = 1; i < members.length; i++) {
    if (compareMembers(members[i - 1] as Member, members[i] as Member) < 0) continue
    throw new BadPinsetError(cid, 'its members are out of order')
  }
  return { kind: 'leaf', count, members }
}

function splitOf(cid: CID, { Links }: dagPb.PBNode, count: number): PinsetNode {
  const children = new Array<CID | undefined>(fanOut).fill(undefined)
  for (const { Name = '', Hash } of Links) {
    const digit = /^[0-9a-f]$/.test(Name) ? parseInt(Name, 16) : -1
    if (digit < 0 || children[digit] != null) throw new BadPinsetError(cid, 'its links are wrong')
    children[digit] = Hash
  }
  return { kind: 'split', count, children }
}
