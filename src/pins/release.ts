import type { PinBlocks } from './blocks.ts'
import { CatalogBatch, concatKeys, keyAt, keyText, packKeys, type PinCatalog } from './catalog.ts'
import { heldValue, nobody, readHeld } from './held.ts'
import { linkCounts } from './link-counts.ts'
import { linkCount, nodeLinks, type Links } from './links.ts'
import { looseValue, nowSeconds } from './loose.ts'
import {
  blockKeyOf,
  cidOfNode,
  oneLeaf,
  readRefs,
  refsValue,
  type Kind as NodeKind,
  type Refs
} from './node.ts'
import type { Steps } from './steps.ts'
import { sha256Multihash } from './node.ts'

const batchNodes = 512
const stepLinks = 16_384
const scanNodes = 4096
/** Beyond that, what is to be released is found again on disk. */
const stackNodes = 100_000

export interface HeldNode {
  key: Uint8Array
  kind: NodeKind
}

interface Opened {
  node: HeldNode
  links: Links
}

export interface ReleaseContext {
  catalog: PinCatalog
  blocks: PinBlocks
  steps: Steps
  /** Whether a walk is still under way: what it holds is its own. */
  isActive: (walk: number) => boolean
  /** A block that is gone or damaged: what it linked to stays counted until it is back. */
  onStuck: (node: HeldNode, why: string) => void
}

/** No more links in a step than a transaction carries, unless one node has them all. */
function groupsOf(opened: Opened[]): Opened[][] {
  const groups: Opened[][] = []
  let left = 0
  for (const one of opened) {
    const links = linkCount(one.links)
    if (left < links || groups.length === 0) {
      groups.push([])
      left = stepLinks
    }
    groups.at(-1)?.push(one)
    left -= links
  }
  return groups
}

/**
 * Takes expanded nodes that nothing holds any more apart: their links are no longer counted, they
 * and their leaves become loose, and nodes whose last link that was follow. What is still to do is
 * in `held`, so after a crash it goes on.
 */
export class Release {
  readonly #context: ReleaseContext

  constructor(context: ReleaseContext) {
    this.#context = context
  }

  /** These, and all that follows from it. Nodes that something holds again are passed over. */
  async run(roots: HeldNode[], signal?: AbortSignal): Promise<void> {
    const stack = [...roots]
    let spilled = false
    while (stack.length > 0) {
      signal?.throwIfAborted()
      const some = stack.splice(-batchNodes)
      const following = await this.#releaseSome(some)
      const room = stackNodes - stack.length
      spilled ||= following.length > room
      stack.push(...following.slice(0, room))
    }
    if (spilled) await this.all(signal)
  }

  /** Everything that nobody holds: left by walks that failed, by crashes. */
  async all(signal?: AbortSignal): Promise<void> {
    await this.#held(walk => !this.#context.isActive(walk), signal)
  }

  /** What one walk, which is over, holds. */
  async of(walk: number): Promise<void> {
    await this.#held(other => other === walk)
  }

  async #held(isWanted: (walk: number) => boolean, signal?: AbortSignal): Promise<void> {
    const stuck = new Set<string>()
    for (let found = true; found;) {
      found = false
      let from: Uint8Array | undefined
      do {
        signal?.throwIfAborted()
        const page = await this.#context.catalog.scan('held', from, scanNodes)
        const nodes: HeldNode[] = []
        for (let i = 0; i < page.values.length; i++) {
          const { walk, kind } = readHeld(page.values[i] as number)
          const key = keyAt(page.keys, i)
          if (isWanted(walk) && !stuck.has(keyText(key))) nodes.push({ key, kind })
        }
        found ||= nodes.length > 0
        // one that could not be released is not tried again and again
        for (const { key } of nodes) stuck.add(keyText(key))
        await this.run(nodes, signal)
        from = page.next
      } while (from != null)
    }
  }

  async #releaseSome(nodes: HeldNode[]): Promise<HeldNode[]> {
    const { blocks, onStuck, steps } = this.#context
    const read = await blocks.read(packKeys(nodes.map(({ key, kind }) => blockKeyOf(key, kind))))
    const opened: Opened[] = []
    nodes.forEach((node, i) => {
      const block = read[i]
      if (block == null) return onStuck(node, 'its block is missing')
      if (block instanceof Error) return onStuck(node, block.message)
      const cid = cidOfNode(sha256Multihash(blockKeyOf(node.key, node.kind)), node.kind)
      opened.push({ node, links: nodeLinks(cid, block) })
    })
    const following: HeldNode[] = []
    for (const group of groupsOf(opened)) {
      following.push(...(await steps.run(async () => this.#step(group))))
    }
    return following
  }

  async #step(opened: Opened[]): Promise<HeldNode[]> {
    const { catalog, isActive } = this.#context
    const counts = await linkCounts(catalog, opened)
    const state = new Map([...counts].map(([key, value]) => [key, readRefs(value)]))
    const held = await catalog.get('held', packKeys(opened.map(({ node }) => node.key)))
    const batch = new CatalogBatch()
    const following: HeldNode[] = []
    const changed = new Map<string, { key: Uint8Array; kind: NodeKind; refs: Refs }>()
    const loose = looseValue(nowSeconds(), true)
    const eligible = opened.filter(({ node }, i) => {
      const { count, expanded } = state.get(keyText(node.key)) as Refs
      const value = held[i] ?? 0
      return expanded && count === 0 && value !== 0 && !isActive(readHeld(value).walk)
    })
    const leaves: Uint8Array[] = []
    for (const { node, links } of eligible) {
      const refs = state.get(keyText(node.key)) as Refs
      // the same node may be on the stack twice
      if (!refs.expanded) continue
      refs.expanded = false
      changed.set(keyText(node.key), { ...node, refs })
      batch.set('held', node.key, 0)
      batch.set('loose', blockKeyOf(node.key, node.kind), loose)
      leaves.push(links.leaves)
      for (let i = 0; i < links.kinds.length; i++) {
        const key = keyAt(links.inner, i)
        const kind = links.kinds[i] as NodeKind
        const child = state.get(keyText(key)) as Refs
        child.count = Math.max(0, child.count - 1)
        changed.set(keyText(key), { key, kind, refs: child })
        if (child.count > 0) continue
        batch.set('held', key, heldValue(nobody, kind))
        following.push({ key, kind })
      }
    }
    for (const { key, kind, refs } of changed.values())
      batch.set('refs', key, refsValue(refs, kind))
    const gone = { family: 'loose', value: loose } as const
    batch.add({ family: 'refs', keys: concatKeys(leaves), added: -oneLeaf, gone })
    if (changed.size > 0) await catalog.apply(batch.changes(), { freeing: true })
    return following
  }
}
