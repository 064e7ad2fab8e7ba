/** Counts everything anew from the pins, and says where the catalog differs. */
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import type { PinBlocks } from '../../src/pins/blocks.ts'
import { families, keyAt, keyText, type Family, type PinCatalog } from '../../src/pins/catalog.ts'
import { cidsOf, nodeLinks } from '../../src/pins/links.ts'
import { blockKeyOf, Kind, readRefs, refsValue, sha256Multihash } from '../../src/pins/node.ts'
import { cidParts, pinnedSlots } from '../../src/pins/pin-value.ts'
import { walkNode, type WalkNode } from '../../src/pins/walk.ts'

function cidOf(slot: number, multihash: Uint8Array): CID {
  const { version, codec } = cidParts(slot)
  return CID.create(version, codec, Digest.decode(multihash))
}

export async function everything(
  catalog: PinCatalog,
  family: Family
): Promise<Array<{ key: Uint8Array; value: number }>> {
  const all: Array<{ key: Uint8Array; value: number }> = []
  let from: Uint8Array | undefined
  do {
    const page = await catalog.scan(family, from, 1000)
    page.values.forEach((value, i) => all.push({ key: keyAt(page.keys, i).slice(), value }))
    from = page.next
  } while (from != null)
  return all
}

/** Only when no walk is under way, and nothing is left to be released. */
export async function catalogFaults(catalog: PinCatalog, blocks: PinBlocks): Promise<string[]> {
  const expected = new Map<string, { node: WalkNode; count: number; expanded: boolean }>()
  const stack: WalkNode[] = []
  const refer = (node: WalkNode) => {
    const known = expected.get(keyText(node.key))
    if (known != null) {
      known.count++
      return
    }
    expected.set(keyText(node.key), { node, count: 1, expanded: node.kind !== Kind.leaf })
    stack.push(node)
  }
  for (const { key, value } of await everything(catalog, 'pins')) {
    const [size = -1] = await blocks.sizes(key)
    if (size < 0) return [`a pinned block is gone: ${Buffer.from(key).toString('hex')}`]
    for (const { slot, mode } of pinnedSlots(value)) {
      // as if it were sha2-256: what counts here are keys and codecs
      if (mode === 'recursive') refer(walkNode(cidOf(slot, sha256Multihash(key))))
    }
  }
  const faults: string[] = []
  for (let node = stack.pop(); node != null; node = stack.pop()) {
    const [bytes] = await blocks.read(blockKeyOf(node.key, node.kind))
    if (!(bytes instanceof Uint8Array)) {
      faults.push(`${String(node.cid)} is counted and not here`)
      continue
    }
    for (const cid of cidsOf(nodeLinks(node.cid, bytes))) refer(walkNode(cid))
  }
  const found = new Map<string, number>()
  for (const { key, value } of await everything(catalog, 'refs')) found.set(keyText(key), value)
  for (const [text, { node, count, expanded }] of expected) {
    const value = found.get(text) ?? 0
    found.delete(text)
    if (value !== refsValue({ count, expanded }, node.kind)) {
      const { count: has, expanded: is } = readRefs(value)
      faults.push(`${String(node.cid)}: ${has}/${is}, expected ${count}/${expanded}`)
    }
  }
  for (const [text, value] of found) {
    const { count, expanded } = readRefs(value)
    faults.push(`leaked count ${Buffer.from(text, 'latin1').toString('hex')}: ${count}/${expanded}`)
  }
  for (const { value } of await everything(catalog, 'held')) faults.push(`still held: ${value}`)
  for (const family of families) {
    const count = (await everything(catalog, family)).length
    const told = await catalog.count(family)
    if (count !== told) faults.push(`${family}: ${told} keys are told, ${count} are there`)
  }
  return faults
}
