import { bases, parseCid, type Base } from '../../unixfs/cid-text.ts'
import type { Node } from '../../node/node.ts'
import { firstArg, value, type Command, type RpcRequest } from './command.ts'
import { askKubo } from './backing-kubo.ts'
import { bool, int, text } from './options.ts'
import { resolveArg } from './paths.ts'

/**
 * Follows a path to the CID at its end. Names (`/ipns/…`) are the backing Kubo's business when
 * there is one: this node has no name system.
 */
export const resolve: Command = {
  name: 'resolve',
  args: { name: 'name', required: true },
  options: [bool('recursive', 'r'), int('dht-record-count', 'dhtrc'), text('dht-timeout', 'dhtt')],
  run: async (request, node) => {
    const given = firstArg(request)
    if (node.kubo != null && /^(?:\/ipns\/|ipns:)/.test(given)) {
      const { options, signal } = request
      const recursive = options.bool('recursive', true)
      return value(await askKubo(node.kubo, 'resolve', [given], { recursive }, signal))
    }
    return value({ Path: await resolvedPath(given, request, node) })
  }
}

async function resolvedPath(given: string, request: RpcRequest, node: Node): Promise<string> {
  const { cid, remainder } = await resolveArg(given, request, node)
  const namespace = /^(?:\/ipld\/|ipld:)/.test(given) ? 'ipld' : 'ipfs'
  const asked = request.options.text('cid-base') ?? ''
  const base = asked === '' ? baseOf(given) : undefined
  const shown = base == null ? request.cidText(cid) : base.encode(cid.toV1().bytes)
  return `/${[namespace, shown, ...remainder].join('/')}`
}

/** Unless another was asked for, the answer is in the base of the path's own CID. */
function baseOf(given: string): Base | undefined {
  const parts = given.replace(/^(ipfs|ipld):\/\//, '/$1/').split('/')
  const root = parts[0] === '' ? parts[2] : parts[0]
  if (root == null || parseCid(root).version === 0) return undefined
  return bases.find(({ prefix }) => prefix === root[0])
}
