import { CID } from 'multiformats/cid'
import { decodeNode, memberOf, type Member, type PinsetNode } from './format.ts'
import { editPart, partOf, write, type PinsetBlocks } from './tree.ts'
import type { Built } from './build.ts'

/** The members, by their place. */
export async function* listPinset(
  root: CID,
  blocks: Pick<PinsetBlocks, 'get'>
): AsyncGenerator<CID> {
  const node = await read(root, blocks)
  if (node.kind === 'leaf') {
    for (const { bytes } of node.members) yield CID.decode(bytes)
    return
  }
  for (const child of node.children) if (child != null) yield* listPinset(child, blocks)
}

/** The pinset with members added and removed; it shares with the old one what did not change. */
export async function editPinset(
  root: CID,
  changes: { add?: Iterable<CID>; remove?: Iterable<CID> },
  blocks: PinsetBlocks
): Promise<Built> {
  const edits = [
    ...Array.from(changes.remove ?? [], cid => ({ member: memberOf(cid), remove: true })),
    ...Array.from(changes.add ?? [], cid => ({ member: memberOf(cid), remove: false }))
  ]
  const whole = await editPart(await partOf(root, blocks), edits, 0, blocks)
  return { root: await write(whole, blocks), members: whole.count }
}

export interface Difference {
  change: 'added' | 'removed'
  cid: CID
}

/** What is in one and not in the other. Reads only where they differ. */
export async function* diffPinsets(
  from: CID,
  to: CID,
  blocks: Pick<PinsetBlocks, 'get'>
): AsyncGenerator<Difference> {
  if (from.equals(to)) return
  const [a, b] = await Promise.all([read(from, blocks), read(to, blocks)])
  if (a.kind === 'split' && b.kind === 'split') {
    for (const [digit, child] of a.children.entries()) {
      const other = b.children[digit]
      if (child != null && other != null) yield* diffPinsets(child, other, blocks)
      else if (child != null) yield* all(child, 'removed', blocks)
      else if (other != null) yield* all(other, 'added', blocks)
    }
    return
  }
  // one of the two is no larger than a leaf: the other is read once
  const small = a.kind === 'leaf' ? a : b
  const left = new Map((small.kind === 'leaf' ? small.members : []).map(one => [text(one), one]))
  const [have, lack] =
    a.kind === 'leaf' ? (['removed', 'added'] as const) : (['added', 'removed'] as const)
  for await (const cid of listPinset(a.kind === 'leaf' ? to : from, blocks)) {
    if (!left.delete(text(memberOf(cid)))) yield { change: lack, cid }
  }
  for (const { bytes } of left.values()) yield { change: have, cid: CID.decode(bytes) }
}

async function* all(
  root: CID,
  change: Difference['change'],
  blocks: Pick<PinsetBlocks, 'get'>
): AsyncGenerator<Difference> {
  for await (const cid of listPinset(root, blocks)) yield { change, cid }
}

async function read(cid: CID, blocks: Pick<PinsetBlocks, 'get'>): Promise<PinsetNode> {
  return decodeNode({ cid, bytes: await blocks.get(cid) })
}

function text({ key }: Member): string {
  return Buffer.from(key).toString('latin1')
}
