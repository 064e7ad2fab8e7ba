import type { CID } from 'multiformats/cid'
import * as dagPb from '@ipld/dag-pb'
import type { Node } from '../../node/node.ts'
import { linksOf, type Block, type GetBlock } from '../../unixfs/blocks.ts'
import { fetchAhead } from '../../unixfs/fetch-ahead.ts'
import { values, type Command, type RpcRequest } from './command.ts'
import { errorText } from './errors.ts'
import { bool, int, text } from './options.ts'
import { reader, resolveArg } from './paths.ts'

interface Edge {
  to: CID
  name: string
}

export const refs: Command = {
  name: 'refs',
  args: { name: 'ipfs-path', required: true },
  options: [
    text('format'),
    bool('edges', 'e'),
    bool('unique', 'u'),
    bool('recursive', 'r'),
    int('max-depth')
  ],
  run: async (request, node) => {
    const { options } = request
    let format = options.text('format') ?? '<dst>'
    if (options.bool('edges')) {
      if (format !== '<dst>') throw new Error('using format argument with edges is not allowed')
      format = '<src> -> <dst>'
    }
    const roots: CID[] = []
    for (const arg of request.args) roots.push((await resolveArg(arg, request, node)).cid)
    const walker = new RefWalker(request, reader(request, node), format)
    return values(allRefs(roots, walker))
  }
}

async function* allRefs(roots: CID[], walker: RefWalker): AsyncGenerator<object> {
  for (const root of roots) {
    try {
      yield* walker.walk(root)
    } catch (error) {
      yield { Ref: '', Err: errorText(error) }
    }
  }
}

class RefWalker {
  readonly #request: RpcRequest
  readonly #get: GetBlock
  readonly #format: string
  readonly #unique: boolean
  readonly #maxDepth: number
  /** At which depth a CID was met. */
  readonly #seen = new Map<string, number>()

  constructor(request: RpcRequest, get: GetBlock, format: string) {
    const { options } = request
    const maxDepth = options.number('max-depth') ?? -1
    this.#request = request
    this.#get = get
    this.#format = format
    this.#unique = options.bool('unique')
    this.#maxDepth = options.bool('recursive') ? (maxDepth < 0 ? Infinity : maxDepth) : 1
  }

  async *walk(root: CID): AsyncGenerator<object> {
    yield* this.#below({ cid: root, bytes: await this.#get(root) }, 1)
  }

  async *#below(block: Block, depth: number): AsyncGenerator<object> {
    const edges = this.#undone(edgesOf(block), depth)
    for await (const { item, block: child } of fetchAhead(edges, edge => edge.to, this.#get)) {
      const { deeper, show } = this.#visit(item.to, depth)
      if (show) yield { Ref: this.#write(block.cid, item), Err: '' }
      if (deeper) yield* this.#below(child, depth + 1)
    }
  }

  /** Those worth reading ahead. Whether they are still wanted is asked again at their turn. */
  *#undone(edges: Edge[], depth: number): Generator<Edge> {
    if (depth > this.#maxDepth) return
    for (const edge of edges) if (!this.#isDone(edge.to, depth)) yield edge
  }

  #isDone(cid: CID, depth: number): boolean {
    const before = this.#unique ? this.#seen.get(cid.toString()) : undefined
    return before != null && (this.#maxDepth === Infinity || before <= depth)
  }

  /** Kubo's rule: what was met nearer to the root, or at all without a limit, is done. */
  #visit(cid: CID, depth: number): { deeper: boolean; show: boolean } {
    const deeper = depth < this.#maxDepth
    if (!this.#unique) return { deeper, show: true }
    if (this.#isDone(cid, depth)) return { deeper: false, show: false }
    const key = cid.toString()
    const show = !this.#seen.has(key)
    this.#seen.set(key, depth)
    return { deeper, show }
  }

  #write(from: CID, { to, name }: Edge): string {
    const { cidText } = this.#request
    return this.#format
      .replaceAll('<src>', cidText(from))
      .replaceAll('<dst>', cidText(to))
      .replaceAll('<linkname>', () => name)
  }
}

function edgesOf(block: Block): Edge[] {
  if (block.cid.code !== dagPb.code) return linksOf(block).map(to => ({ to, name: '' }))
  return dagPb.decode(block.bytes).Links.map(link => ({ to: link.Hash, name: link.Name ?? '' }))
}

export const refsLocal: Command = {
  name: 'refs/local',
  run: (request, node) => values(localRefs(request, node))
}

async function* localRefs(request: RpcRequest, node: Node): AsyncGenerator<object> {
  for await (const { cid } of node.blocks.store.getAll({ signal: request.signal })) {
    yield { Ref: request.cidText(cid), Err: '' }
  }
}
