import { NotFoundError } from '../../errors.ts'
import type { Node } from '../../node/node.ts'
import { resolvePath, type ContentPath, type Resolved } from '../../unixfs/path.ts'
import type { GetBlock } from '../../unixfs/blocks.ts'
import { parseCid } from '../../unixfs/cid-text.ts'
import type { RpcRequest } from './command.ts'

/** A path or CID as Kubo takes it, with Kubo's words when it is none. */
export function parsePath(given: string): ContentPath {
  const uri = /^(ipfs|ipns|ipld):(?:\/\/)?(.+)$/.exec(given)
  try {
    return parseStrictly(uri == null ? given : `/${uri[1]}/${uri[2]}`)
  } catch (error) {
    if (!given.startsWith('/')) {
      try {
        return parseStrictly(`/ipfs/${given}`)
      } catch {
        // the first failure says more
      }
    }
    throw error
  }
}

function parseStrictly(given: string): ContentPath {
  const segments = given.split('/').filter(segment => segment !== '' && segment !== '.')
  const [namespace = '', root, ...rest] = segments
  if (!given.startsWith('/') || root == null) {
    throw invalid(given, 'path does not have enough components')
  }
  if (namespace === 'ipns') {
    throw new NotFoundError(`cannot resolve "${given}": this node has no name system`)
  }
  if (namespace !== 'ipfs' && namespace !== 'ipld') {
    throw invalid(given, `unknown namespace: ${JSON.stringify(namespace)}`)
  }
  try {
    return { root: parseCid(root), segments: rest }
  } catch (error) {
    throw invalid(given, `invalid cid: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function invalid(path: string, why: string): Error {
  return new Error(`invalid path ${JSON.stringify(path)}: ${why}`)
}

/** Reads blocks for a request: from the network too, unless it or the node is offline. */
export function reader(request: RpcRequest, node: Node): GetBlock {
  return node.blocks.reader({ signal: request.signal, offline: request.offline })
}

export async function resolveArg(
  given: string,
  request: RpcRequest,
  node: Node
): Promise<Resolved> {
  return resolvePath(parsePath(given), reader(request, node))
}
