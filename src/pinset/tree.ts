import type { CID } from 'multiformats/cid'
import {
  compareMembers,
  decodeNode,
  digitAt,
  encodeLeaf,
  encodeSplit,
  fanOut,
  leafMembersMax,
  type Member,
  type PinsetBlock
} from './format.ts'

export interface PinsetBlocks {
  get(cid: CID): Promise<Uint8Array>
  put(block: PinsetBlock): Promise<void>
}

/**
 * The members under one place of the tree: so few that whoever is above may take them into its own
 * leaf, or a block that is written.
 */
export type Part = { count: number; members: Member[] } | { count: number; cid: CID }

export const nothing: Part = { count: 0, members: [] }

/** Distinct members in order, below a prefix of `depth` digits. */
export async function buildPart(
  members: Member[],
  depth: number,
  blocks: Pick<PinsetBlocks, 'put'>
): Promise<Part> {
  if (members.length <= leafMembersMax) return { count: members.length, members }
  const parts: Part[] = []
  for (let digit = 0, from = 0; digit < fanOut; digit++) {
    let to = from
    while (to < members.length && digitAt((members[to] as Member).key, depth) === digit) to++
    parts.push(await buildPart(members.slice(from, to), depth + 1, blocks))
    from = to
  }
  return joinParts(parts, blocks)
}

/** What sixteen neighbours are together. */
export async function joinParts(
  parts: Part[],
  blocks: Pick<PinsetBlocks, 'put'> & Partial<Pick<PinsetBlocks, 'get'>>
): Promise<Part> {
  const count = parts.reduce((sum, part) => sum + part.count, 0)
  if (count <= leafMembersMax) {
    const members: Member[] = []
    for (const part of parts) members.push(...(await membersOf(part, blocks)))
    return { count, members }
  }
  const children: Array<CID | undefined> = []
  for (const part of parts) children.push(part.count === 0 ? undefined : await write(part, blocks))
  const block = encodeSplit(children, count)
  await blocks.put(block)
  return { count, cid: block.cid }
}

/** The root of all. */
export async function write(part: Part, blocks: Pick<PinsetBlocks, 'put'>): Promise<CID> {
  if ('cid' in part) return part.cid
  const block = encodeLeaf(part.members)
  await blocks.put(block)
  return block.cid
}

async function membersOf(
  part: Part,
  blocks: Partial<Pick<PinsetBlocks, 'get'>>
): Promise<Member[]> {
  if ('members' in part) return part.members
  if (blocks.get == null) throw new RangeError('a part of few members was written already')
  const node = decodeNode({ cid: part.cid, bytes: await blocks.get(part.cid) })
  if (node.kind === 'leaf') return node.members
  const members: Member[] = []
  for (const cid of node.children) {
    if (cid != null) members.push(...(await membersOf({ count: 0, cid }, blocks)))
  }
  return members
}

export interface Edit {
  member: Member
  remove: boolean
}

/**
 * The part with edits made: reads and writes only what lies on their way. What is there already is
 * not added, what is not there is not removed.
 */
export async function editPart(
  part: Part,
  edits: Edit[],
  depth: number,
  blocks: PinsetBlocks
): Promise<Part> {
  if (edits.length === 0) return part
  if ('members' in part) return buildPart(edited(part.members, edits), depth, blocks)
  const node = decodeNode({ cid: part.cid, bytes: await blocks.get(part.cid) })
  if (node.kind === 'leaf') return buildPart(edited(node.members, edits), depth, blocks)
  const parts: Part[] = []
  for (let digit = 0; digit < fanOut; digit++) {
    const child = node.children[digit]
    const before = child == null ? nothing : await partOf(child, blocks)
    const some = edits.filter(({ member }) => digitAt(member.key, depth) === digit)
    parts.push(await editPart(before, some, depth + 1, blocks))
  }
  return joinParts(parts, blocks)
}

export async function partOf(cid: CID, blocks: Pick<PinsetBlocks, 'get'>): Promise<Part> {
  return { count: decodeNode({ cid, bytes: await blocks.get(cid) }).count, cid }
}

function edited(members: Member[], edits: Edit[]): Member[] {
  const byKey = new Map(members.map(member => [hex(member.key), member]))
  for (const { member, remove } of edits) {
    if (remove) byKey.delete(hex(member.key))
    else byKey.set(hex(member.key), member)
  }
  return [...byKey.values()].sort(compareMembers)
}

function hex(key: Uint8Array): string {
  return Buffer.from(key).toString('hex')
}
