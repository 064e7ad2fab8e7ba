import type { PBLink } from '@ipld/dag-pb'
import type { CID } from 'multiformats/cid'
import * as dagPb from '@ipld/dag-pb'
import * as raw from 'multiformats/codecs/raw'
import type { Node } from '../../node/node.ts'
import { linksOf, type Block, type GetBlock } from '../../unixfs/blocks.ts'
import { readEntity } from '../../unixfs/entity.ts'
import { listFolder } from '../../unixfs/list.ts'
import { ClientError } from './errors.ts'
import { value, values, type Command, type RpcRequest } from './command.ts'
import { bool } from './options.ts'
import { reader, resolveArg } from './paths.ts'

/** Numbers of UnixFS types. */
const types = { unknown: 0, folder: 1, file: 2, symlink: 4 }
/** How Go writes the time that is none. */
const noTime = '0001-01-01T00:00:00Z'

interface Link {
  Name: string
  Hash: string
  Size: number
  Type: number
  Target: string
  Mode: number
  ModTime: string
}

export const ls: Command = {
  name: 'ls',
  args: { name: 'ipfs-path', required: true },
  options: [
    bool('headers', 'v'),
    bool('resolve-type'),
    bool('size'),
    bool('stream', 's'),
    bool('long', 'l'),
    bool('human', 'H'),
    bool('sort-size', 'S')
  ],
  run: async (request, node) => {
    const { options } = request
    if (options.bool('sort-size') && options.bool('stream')) {
      throw new ClientError('cannot use --sort-size with --stream')
    }
    if (options.bool('sort-size') && !options.bool('size', true)) {
      throw new ClientError('cannot use --sort-size with --size=false')
    }
    if (options.bool('stream')) return values(streamed(request, node))
    const objects = []
    for (const arg of request.args) objects.push(await listed(arg, request, node))
    return value({ Objects: objects })
  }
}

async function* streamed(request: RpcRequest, node: Node): AsyncGenerator<object> {
  for (const arg of request.args) {
    for await (const link of links(arg, request, node)) {
      yield { Objects: [{ Hash: arg, Links: [link] }] }
    }
  }
}

async function listed(arg: string, request: RpcRequest, node: Node) {
  const found: Link[] = []
  for await (const link of links(arg, request, node)) found.push(link)
  found.sort((a, b) => Buffer.compare(Buffer.from(a.Name), Buffer.from(b.Name)))
  if (request.options.bool('sort-size')) found.sort((a, b) => b.Size - a.Size)
  return { Hash: arg, Links: found }
}

async function* links(arg: string, request: RpcRequest, node: Node): AsyncGenerator<Link> {
  const { cid } = await resolveArg(arg, request, node)
  const get = reader(request, node)
  const block = { cid, bytes: await get(cid) }
  const resolve = request.options.bool('resolve-type', true) || request.options.bool('size', true)
  for await (const link of linksOfNode(block, get)) yield describe(link, request, get, resolve)
}

/** The entries of a folder; of anything else, what it links to. */
function linksOfNode(block: Block, get: GetBlock): AsyncIterable<PBLink> | PBLink[] {
  const entity = readEntity(block)
  if (entity.kind === 'folder' || entity.kind === 'shard') return listFolder(entity, get)
  if (entity.kind === 'file') return entity.parts.map(part => part.link)
  if (block.cid.code === dagPb.code) return entity.kind === 'other' ? entity.links : []
  return linksOf(block).map(Hash => ({ Name: '', Hash, Tsize: 0 }))
}

async function describe(
  link: PBLink,
  request: RpcRequest,
  get: GetBlock,
  resolve: boolean
): Promise<Link> {
  const { Hash: cid } = link
  const base = { Name: link.Name ?? '', Hash: request.cidText(cid) }
  const rest = { Mode: 0, ModTime: noTime }
  if (cid.code === raw.code) {
    return { ...base, Size: link.Tsize ?? 0, Type: types.file, Target: '', ...rest }
  }
  if (cid.code !== dagPb.code || !resolve) {
    return { ...base, Size: 0, Type: types.unknown, Target: '', ...rest }
  }
  return { ...base, ...(await resolved(cid, get)), ...rest }
}

async function resolved(cid: CID, get: GetBlock): Promise<Pick<Link, 'Size' | 'Type' | 'Target'>> {
  const entity = readEntity({ cid, bytes: await get(cid) })
  switch (entity.kind) {
    case 'file':
      return { Size: entity.size, Type: types.file, Target: '' }
    case 'symlink':
      return {
        Size: Buffer.byteLength(entity.target),
        Type: types.symlink,
        Target: entity.target
      }
    case 'other':
      throw new Error(`${String(cid)} has no UnixFS data in it`)
    default:
      return { Size: 0, Type: types.folder, Target: '' }
  }
}
