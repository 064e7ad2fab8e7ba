import type { CID } from 'multiformats/cid'
import { identityCode } from '../unixfs/hashers.ts'
import type { PinBlocks } from './blocks.ts'
import {
  CatalogBatch,
  concatKeys,
  keyAt,
  keyBytes,
  keyText,
  packKeys,
  type PinCatalog
} from './catalog.ts'
import { BadBlockError, BlockMissingError, CyclicDagError } from './errors.ts'
import { heldValue } from './held.ts'
import { linkCounts } from './link-counts.ts'
import { linkCount, nodeLinks, type Links } from './links.ts'
import {
  blockKey,
  blockKeyOf,
  Kind,
  kindOf,
  nodeKey,
  oneLeaf,
  readRefs,
  refsValue,
  type Refs
} from './node.ts'
import type { Steps } from './steps.ts'
import type { Fetcher, PinProgress } from './types.ts'

/** Nodes that are read and expanded together, and bytes of blocks that are in memory for it. */
const batchNodes = 512
const batchBytes = 1024 * 1024
const batchLinks = 16_384
/** Leaves that are fetched at the same time, and blocks with links. */
const fetchWidth = 64

export interface WalkNode {
  cid: CID
  key: Uint8Array
  kind: Kind
  parent: WalkNode | undefined
}

export function walkNode(cid: CID, parent?: WalkNode): WalkNode {
  const kind = kindOf(cid.code)
  return { cid, kind, key: nodeKey(blockKey(cid.multihash.bytes), kind), parent }
}

export interface WalkContext {
  catalog: PinCatalog
  blocks: PinBlocks
  steps: Steps
  fetcher: Fetcher | undefined
  signal: AbortSignal | undefined
  /** Lets garbage collection in while work that may take long, and can cope with it, runs. */
  outsideLock: <T>(work: () => Promise<T>) => Promise<T>
  onProgress: (progress: PinProgress) => void
}

interface ReadNode {
  node: WalkNode
  links: Links
  bytes: number
  counted: boolean
}

/** Children first: `waiting` is expanded when all that lies above it on the stack is. */
interface Frame {
  todo: WalkNode[]
  next: number
  waiting: ReadNode[]
}

function firstFew(read: ReadNode[]): ReadNode[] {
  let links = 0
  const end = read.findIndex((one, i) => {
    links += linkCount(one.links)
    return i > 0 && links > batchLinks
  })
  return end < 0 ? read : read.slice(0, end)
}

/**
 * The frames from the top that can be expanded in one step: the last of what lies above each of
 * them is what the next one waits for. A chain of single links is long, and has one node a frame.
 */
function topFrames(stack: Frame[]): Frame[] {
  const top: Frame[] = []
  let nodes = 0
  let links = 0
  for (let i = stack.length - 1; i >= 0; i--) {
    const frame = stack[i] as Frame
    nodes += frame.waiting.length
    for (const one of frame.waiting) links += linkCount(one.links)
    if (top.length > 0 && (nodes > batchNodes || links > batchLinks)) break
    top.push(frame)
    if (frame.next < frame.todo.length) break
  }
  return top
}

/**
 * Expands a DAG from its leaves upwards: when a node is expanded, all below it is. See the
 * invariants in pins.ts. What is expanded already is passed by, so a walk that was cut short goes
 * on where it was when it is begun again.
 */
export class Walk {
  readonly id: number
  readonly #context: WalkContext
  readonly #progress: PinProgress = { blocks: 0, bytes: 0 }
  readonly #open = new Map<string, number>()
  /** Something was not here. */
  #fetches = false

  constructor(id: number, context: WalkContext) {
    this.id = id
    this.#context = context
  }

  /** Resolves when the root is expanded or, a leaf, here. It may be no longer, a moment later. */
  async complete(root: WalkNode): Promise<void> {
    if (root.kind === Kind.leaf) return this.#completeLeaf(root)
    const stack: Frame[] = [{ todo: [root], next: 0, waiting: [] }]
    for (let frame = stack.at(-1); frame != null; frame = stack.at(-1)) {
      this.#context.signal?.throwIfAborted()
      if (frame.waiting.length > 0) {
        const undone = await this.#expandTop(stack)
        if (undone.length > 0) stack.push({ todo: undone, next: 0, waiting: [] })
      } else if (frame.next < frame.todo.length) {
        const below = await this.#descend(frame)
        if (below.length > 0) stack.push({ todo: below, next: 0, waiting: [] })
      } else {
        stack.pop()
      }
    }
  }

  async #completeLeaf(root: WalkNode): Promise<void> {
    if (root.cid.multihash.code === identityCode)
      return this.#count(root.cid.multihash.digest.length)
    const [size = -1] = await this.#context.blocks.sizes(blockKeyOf(root.key, root.kind))
    if (size < 0) await this.#fetch([root])
    const [bytes = 0] = await this.#context.blocks.sizes(blockKeyOf(root.key, root.kind))
    this.#count(Math.max(bytes, 0))
  }

  /** Reads the next few nodes of a frame; gives those below them that are not expanded. */
  async #descend(frame: Frame): Promise<WalkNode[]> {
    const some = frame.todo.slice(frame.next, frame.next + batchNodes)
    const refs = await this.#context.catalog.get('refs', packKeys(some.map(node => node.key)))
    const left = some.filter((_, i) => !readRefs(refs[i] ?? 0).expanded)
    const read = firstFew(await this.#read(left))
    // those whose blocks or links were too many for one turn come again
    const taken = read.length
    frame.next += taken < left.length ? some.indexOf(left[taken] as WalkNode) : some.length
    frame.waiting = read
    for (const { node, bytes } of read) {
      this.#enter(node)
      this.#count(bytes)
    }
    return this.#unexpanded(read)
  }

  async #read(nodes: WalkNode[]): Promise<ReadNode[]> {
    if (nodes.length === 0) return []
    const stored = nodes.filter(({ cid }) => cid.multihash.code !== identityCode)
    const keys = packKeys(stored.map(({ key, kind }) => blockKeyOf(key, kind)))
    let sizes = await this.#context.blocks.sizes(keys)
    for (;;) {
      const missing = stored.filter((_, i) => (sizes[i] ?? -1) < 0)
      if (missing.length === 0) break
      await this.#fetch(missing)
      // a collection may have come in between, and taken what nothing held yet
      sizes = await this.#context.blocks.sizes(keys)
    }
    let bytes = 0
    let count = 0
    while (count < stored.length && (count === 0 || bytes < batchBytes))
      bytes += sizes[count++] ?? 0
    const blocks = await this.#context.blocks.read(keys.subarray(0, count * keyBytes))
    const first = new Set(stored.slice(0, count))
    const read: ReadNode[] = []
    let at = 0
    for (const node of nodes) {
      const inline = node.cid.multihash.code === identityCode
      if (!inline && !first.has(node)) break
      const block = inline ? node.cid.multihash.digest : blocks[at++]
      if (block instanceof Error) throw new BadBlockError(node.cid, block)
      if (block == null) throw new BlockMissingError(node.cid)
      const links = nodeLinks(node.cid, block)
      read.push({ node, links, bytes: block.byteLength, counted: false })
    }
    return read
  }

  async #unexpanded(read: ReadNode[]): Promise<WalkNode[]> {
    const children = new Map<string, WalkNode>()
    for (const { node, links } of read) {
      for (let i = 0; i < links.kinds.length; i++) {
        const text = keyText(keyAt(links.inner, i))
        if (!children.has(text)) children.set(text, walkNode(links.innerCid(i), node))
      }
    }
    const nodes = [...children.values()]
    if (nodes.length === 0) return nodes
    const refs = await this.#context.catalog.get('refs', packKeys(nodes.map(node => node.key)))
    const undone = nodes.filter((_, i) => !readRefs(refs[i] ?? 0).expanded)
    for (const node of undone) this.#checkAcyclic(node)
    return undone
  }

  /** Gives children that are not expanded any more; the others were, and their parents are now. */
  async #expandTop(stack: Frame[]): Promise<WalkNode[]> {
    for (;;) {
      const frames = this.#fetches ? stack.slice(-1) : topFrames(stack)
      const waiting = frames.flatMap(frame => frame.waiting)
      const { missing, undone } = await this.#context.steps.run(async () =>
        this.#tryExpand(waiting)
      )
      if (missing.length === 0) {
        if (undone.length > 0) return undone
        for (const { node } of waiting) this.#leave(node)
        for (const frame of frames) frame.waiting = []
        return []
      }
      // what is here is not to wait for what has to come from elsewhere
      if (frames.length === 1) await this.#fetch(missing)
      this.#fetches = true
    }
  }

  async #tryExpand(waiting: ReadNode[]): Promise<{ missing: WalkNode[]; undone: WalkNode[] }> {
    const { catalog } = this.#context
    const refs = await linkCounts(catalog, waiting)
    const working = new Set<string>()
    // of one that is in two frames, once
    const work = waiting.filter(({ node }) => {
      const text = keyText(node.key)
      if (readRefs(refs.get(text) ?? 0).expanded || working.has(text)) return false
      working.add(text)
      return true
    })
    const undone = new Map<string, WalkNode>()
    for (const { node, links } of work) {
      for (let i = 0; i < links.kinds.length; i++) {
        const text = keyText(keyAt(links.inner, i))
        const expanded = working.has(text) || readRefs(refs.get(text) ?? 0).expanded
        if (expanded || undone.has(text)) continue
        undone.set(text, walkNode(links.innerCid(i), node))
      }
    }
    if (undone.size > 0) return { missing: [], undone: [...undone.values()] }
    const missing = await this.#missingBlocks(work)
    if (missing.length > 0) return { missing, undone: [] }
    if (work.length > 0) await catalog.apply(this.#expansion(work, refs).changes())
    return { missing: [], undone: [] }
  }

  /** The nodes themselves and their leaves; nodes below them that are expanded are here. */
  async #missingBlocks(work: ReadNode[]): Promise<WalkNode[]> {
    const { blocks } = this.#context
    const stored = work.filter(({ node }) => node.cid.multihash.code !== identityCode)
    const own = packKeys(stored.map(({ node }) => blockKeyOf(node.key, node.kind)))
    const leaves = concatKeys(work.map(({ links }) => links.leaves))
    const [ownSizes, sizes] = await Promise.all([blocks.sizes(own), blocks.sizes(leaves)])
    const missing = stored.map(({ node }) => node).filter((_, i) => (ownSizes[i] ?? -1) < 0)
    let at = 0
    let bytes = 0
    let count = 0
    for (const { node, links, counted } of work) {
      const length = links.leaves.length / keyBytes
      for (let i = 0; i < length; i++) {
        const size = sizes[at++] as number
        if (size < 0) missing.push(walkNode(links.leafCid(i), node))
        else if (!counted) bytes += size
      }
      if (!counted) count += length
    }
    // leaves still to come are counted when their parent has all of them
    if (missing.length === 0) {
      for (const read of work) read.counted = true
      this.#count(bytes, count)
    }
    return missing
  }

  #expansion(work: ReadNode[], refs: Map<string, number>): CatalogBatch {
    const batch = new CatalogBatch()
    const states = new Map<string, { key: Uint8Array; kind: Kind; refs: Refs }>()
    const stateOf = (key: Uint8Array, kind: Kind): Refs => {
      const text = keyText(key)
      let state = states.get(text)
      if (state == null) {
        state = { key, kind, refs: readRefs(refs.get(text) ?? 0) }
        states.set(text, state)
      }
      return state.refs
    }
    for (const { node, links } of work) {
      stateOf(node.key, node.kind).expanded = true
      for (let i = 0; i < links.kinds.length; i++) {
        const key = keyAt(links.inner, i)
        const child = stateOf(key, links.kinds[i] as Kind)
        // from now on its parent holds it
        if (child.count === 0) batch.set('held', key, 0)
        child.count++
      }
    }
    for (const { key, kind, refs } of states.values()) batch.set('refs', key, refsValue(refs, kind))
    for (const { node } of work) {
      const { count } = stateOf(node.key, node.kind)
      if (count === 0) batch.set('held', node.key, heldValue(this.id, node.kind))
    }
    const leaves = concatKeys(work.map(({ links }) => links.leaves))
    batch.add({ family: 'refs', keys: leaves, added: oneLeaf })
    return batch
  }

  async #fetch(nodes: WalkNode[]): Promise<void> {
    const { fetcher, signal } = this.#context
    if (fetcher == null) throw new BlockMissingError((nodes[0] as WalkNode).cid)
    await this.#context.outsideLock(async () => {
      const stop = new AbortController()
      const any = signal == null ? stop.signal : AbortSignal.any([signal, stop.signal])
      const queue = nodes.values()
      const worker = async () => {
        for (const { cid } of queue) {
          any.throwIfAborted()
          await fetcher.fetch(cid, { signal: any })
          this.#context.onProgress(this.#fetched())
        }
      }
      const workers = Array.from({ length: Math.min(fetchWidth, nodes.length) }, worker)
      try {
        await Promise.all(workers)
      } catch (error) {
        stop.abort(error)
        await Promise.allSettled(workers)
        throw error
      }
    })
  }

  /** A fetched block counts when it is looked at; until then its arrival is told apart. */
  #arrived = 0

  #fetched(): PinProgress {
    this.#arrived++
    const { blocks, bytes } = this.#progress
    return { blocks: blocks + this.#arrived, bytes }
  }

  #count(bytes: number, blocks = 1): void {
    this.#progress.blocks += blocks
    this.#progress.bytes += bytes
    // what had arrived is among these now
    this.#arrived = Math.max(0, this.#arrived - blocks)
    this.#context.onProgress({
      blocks: this.#progress.blocks + this.#arrived,
      bytes: this.#progress.bytes
    })
  }

  #enter(node: WalkNode): void {
    const text = keyText(node.key)
    this.#open.set(text, (this.#open.get(text) ?? 0) + 1)
  }

  #leave(node: WalkNode): void {
    const text = keyText(node.key)
    const times = (this.#open.get(text) ?? 1) - 1
    if (times === 0) this.#open.delete(text)
    else this.#open.set(text, times)
  }

  #checkAcyclic(node: WalkNode): void {
    const text = keyText(node.key)
    if (!this.#open.has(text)) return
    for (let above = node.parent; above != null; above = above.parent) {
      if (keyText(above.key) === text) throw new CyclicDagError(node.cid)
    }
  }
}
