import type { Node } from '../../node/node.ts'
import { readEntity } from '../../unixfs/entity.ts'
import type { GetBlock } from '../../unixfs/blocks.ts'
import { fileContent, type ByteRange, type FileEntity } from '../../unixfs/read.ts'
import { bytes, type Command, type RpcRequest } from './command.ts'
import { bool, int64 } from './options.ts'
import { reader, resolveArg } from './paths.ts'

interface Piece {
  file: FileEntity
  range: ByteRange
}

export const cat: Command = {
  name: 'cat',
  args: { name: 'ipfs-path', required: true },
  options: [int64('offset', 'o'), int64('length', 'l'), bool('progress', 'p')],
  run: async (request, node) => {
    const offset = request.options.number('offset') ?? 0
    const length = request.options.number('length') ?? Infinity
    if (offset < 0) throw new Error('cannot specify negative offset')
    if (length < 0) throw new Error('cannot specify negative length')
    const pieces = length === 0 ? [] : await choosePieces(request, node, offset, length)
    let total = 0
    for (const { range } of pieces) total += range.to - range.from
    return bytes(content(pieces, reader(request, node)), 'text/plain', total)
  }
}

/** The files are read as if they were one. */
async function choosePieces(
  request: RpcRequest,
  node: Node,
  offset: number,
  length: number
): Promise<Piece[]> {
  const pieces: Piece[] = []
  let skip = offset
  let left = length
  for (const arg of request.args) {
    const file = await openFile(arg, request, node)
    const from = Math.min(skip, file.size)
    skip -= from
    const to = Math.min(file.size, from + left)
    left -= to - from
    pieces.push({ file, range: { from, to } })
    if (left === 0) break
  }
  return pieces
}

async function openFile(arg: string, request: RpcRequest, node: Node): Promise<FileEntity> {
  const { cid } = await resolveArg(arg, request, node)
  const entity = readEntity({ cid, bytes: await reader(request, node)(cid) })
  if (entity.kind === 'file') return entity
  if (entity.kind === 'symlink') {
    const data = new TextEncoder().encode(entity.target)
    return { kind: 'file', block: entity.block, size: data.byteLength, data, parts: [] }
  }
  throw new Error(entity.kind === 'other' ? 'unknown node type' : 'this dag node is a directory')
}

async function* content(pieces: Piece[], get: GetBlock): AsyncGenerator<Uint8Array> {
  for (const { file, range } of pieces) yield* fileContent(file, get, range)
}
