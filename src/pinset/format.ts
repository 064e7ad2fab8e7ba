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
  cid: CID
  /** SHA-256 of the CID's bytes: its place. */
  key: Uint8Array
}

export interface PinsetBlock {
  cid: CID
  bytes: Uint8Array
}

export type PinsetNode =
  | { kind: 'leaf'; count: number; members: Member[] }
  | { kind: 'split'; count: number; children: Array<CID | undefined> }

export function memberOf(cid: CID): Member {
  return { cid, key: hash('sha256', cid.bytes, 'buffer') }
}

export function compareMembers(a: Member, b: Member): number {
  return Buffer.compare(a.key, b.key)
}

/** Four bits of a key, the first ones at depth 0. */
export function digitAt(key: Uint8Array, depth: number): number {
  const byte = key[depth >> 1] as number
  return depth % 2 === 0 ? byte >> 4 : byte & 15
}

const prefix = 'pinset/1 '

export function encodeLeaf(members: Member[]): PinsetBlock {
  return encode(
    members.length,
    members.map(({ cid }) => ({ Name: '', Hash: cid, Tsize: 0 }))
  )
}

export function encodeSplit(children: Array<CID | undefined>, count: number): PinsetBlock {
  const links = children.flatMap((cid, digit) =>
    cid == null ? [] : [{ Name: digit.toString(16), Hash: cid, Tsize: 0 }]
  )
  return encode(count, links)
}

function encode(count: number, Links: dagPb.PBLink[]): PinsetBlock {
  const bytes = dagPb.encode({ Data: new TextEncoder().encode(prefix + count), Links })
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
