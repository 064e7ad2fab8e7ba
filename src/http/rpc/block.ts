import { CID } from 'multiformats/cid'
import { TooLargeError } from '../../errors.ts'
import type { Node } from '../../node/node.ts'
import { MAX_BLOCK_BYTES } from '../../stores/blockstore.ts'
import { hasherByName } from '../../unixfs/hashers.ts'
import { codecCode } from './codecs.ts'
import { bytes, firstArg, value, values, type Command, type RpcRequest } from './command.ts'
import { bool, int, text, type Options } from './options.ts'
import { reader, resolveArg } from './paths.ts'
import { pinOptions, pinRecursively } from './pinning.ts'

/** What bitswap carries. */
const softBlockLimit = 2 * 1024 * 1024
const digestBytesMin = 20

/** Kubo's check of blocks that clients bring. */
export function checkBlockSize(size: number, options: Options): void {
  if (size <= softBlockLimit || options.bool('allow-big-block')) return
  throw new Error(
    "produced block is over 2MiB: big blocks can't be exchanged with other peers. consider " +
      'using UnixFS for automatic chunking of bigger files, or pass --allow-big-block to override'
  )
}

/** All of a small file; stops reading when it is larger than a block can be. */
export async function readBlockBytes(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of content) {
    pieces.push(piece)
    length += piece.byteLength
    if (length > MAX_BLOCK_BYTES) {
      throw new TooLargeError(`the block is over the largest, ${MAX_BLOCK_BYTES} bytes`)
    }
  }
  return Buffer.concat(pieces)
}

export const blockGet: Command = {
  name: 'block/get',
  args: { name: 'cid', required: true },
  run: async (request, node) => {
    const { cid } = await resolveArg(firstArg(request), request, node)
    const block = await reader(request, node)(cid)
    return bytes(one(block), 'application/vnd.ipld.raw')
  }
}

async function* one(block: Uint8Array): AsyncGenerator<Uint8Array> {
  yield block
}

export const blockStat: Command = {
  name: 'block/stat',
  args: { name: 'cid', required: true },
  run: async (request, node) => {
    const { cid } = await resolveArg(firstArg(request), request, node)
    const { signal } = request
    const known = await node.repo.blockstore.size(cid, { signal })
    const size = known ?? (await reader(request, node)(cid)).byteLength
    return value({ Key: request.cidText(cid), Size: size })
  }
}

export const blockPut: Command = {
  name: 'block/put',
  file: 'data',
  options: [
    text('cid-codec'),
    text('mhtype'),
    int('mhlen'),
    bool('pin'),
    bool('allow-big-block'),
    text('format', 'f')
  ],
  run: (request, node) => {
    const cidOf = cidMaker(request.options)
    return values(putBlocks(request, node, cidOf))
  }
}

interface GivenBlock {
  cid: CID
  bytes: Uint8Array
}

/** Cluster sends thousands in one request: they are stored in batches, and answered in order. */
async function* putBlocks(
  request: RpcRequest,
  node: Node,
  cidOf: (block: Uint8Array) => CID
): AsyncGenerator<object> {
  const { signal, options, cidText } = request
  const sizes: number[] = []
  const blocks = async function* (): AsyncGenerator<GivenBlock> {
    for await (const { content } of request.parts()) {
      const bytes = await readBlockBytes(content)
      checkBlockSize(bytes.byteLength, options)
      sizes.push(bytes.byteLength)
      yield { cid: cidOf(bytes), bytes }
    }
  }
  const stored = options.bool('pin')
    ? putPinned(blocks(), request, node)
    : node.blocks.store.putMany(blocks(), { signal })
  for await (const cid of stored) {
    node.announce([cid])
    yield { Key: cidText(cid), Size: sizes.shift() ?? 0 }
  }
}

/** One after the other: what is to be pinned must not be collected before it is. */
async function* putPinned(
  blocks: AsyncIterable<GivenBlock>,
  request: RpcRequest,
  node: Node
): AsyncGenerator<CID> {
  for await (const { cid, bytes } of blocks) {
    await node.gcLock.shared(async () => {
      await node.blocks.store.put(cid, bytes, { signal: request.signal })
      await pinRecursively(cid, node, pinOptions(request, node))
    })
    yield cid
  }
}

function cidMaker(options: Options): (block: Uint8Array) => CID {
  const format = options.text('format') ?? ''
  const codec = options.text('cid-codec') ?? 'raw'
  const mhtype = options.text('mhtype') ?? 'sha2-256'
  const length = options.number('mhlen') ?? -1
  const hasher = hasherByName(mhtype === '' ? 'sha2-256' : mhtype)
  if (hasher == null) throw new Error(`unrecognized multihash function: ${mhtype}`)
  if (format !== '' && codec !== '' && codec !== 'raw') {
    throw new Error('unable to use "format" (deprecated) and a custom "cid-codec" at the same time')
  }
  const version = format === 'v0' ? 0 : 1
  const code = codecCode(format === '' ? codec : legacyFormat(format))
  if (version === 0 && (hasher.name !== 'sha2-256' || (length !== -1 && length !== 32))) {
    throw new Error('only sha2-255-32 is allowed with CIDv0')
  }
  if (length !== -1 && length < digestBytesMin) {
    throw new Error(
      `digest too small: ${hasher.name} digest got ${length} bytes, minimum ${digestBytesMin}`
    )
  }
  return block =>
    CID.create(version, code, hasher.digest(block, length === -1 ? undefined : length))
}

/** Names that were wrong once and are still taken. */
function legacyFormat(format: string): string {
  if (format === 'v0' || format === 'protobuf') return 'dag-pb'
  return format === 'cbor' ? 'dag-cbor' : format
}

export const blockRm: Command = {
  name: 'block/rm',
  args: { name: 'cid', required: true },
  options: [bool('force', 'f'), bool('quiet', 'q')],
  run: (request, node) => values(removeBlocks(request, node))
}

async function* removeBlocks(request: RpcRequest, node: Node): AsyncGenerator<object> {
  const { signal, options } = request
  for (const arg of request.args) {
    const { cid } = await resolveArg(arg, request, node)
    const Hash = request.cidText(cid)
    const refusal = await node.gcLock.alone(async () => {
      const pinned = await whyPinned(cid, node, signal)
      if (pinned != null) return pinned
      const isHere = await node.blocks.has(cid, { signal })
      if (!isHere && !options.bool('force')) return `ipld: could not find ${String(cid)}`
      const kept = await node.pins.deleteFree([cid.multihash.bytes])
      if (kept.length > 0) return 'a pin that is under way needs it'
      await node.repo.flush({ signal })
      return undefined
    })
    if (refusal != null) yield { Hash, Error: refusal }
    else if (!options.bool('quiet')) yield { Hash }
  }
}

async function whyPinned(cid: CID, node: Node, signal: AbortSignal): Promise<string | undefined> {
  const state = await node.pins.isPinned(cid, { through: true, signal })
  if (state == null) return undefined
  if (state.type !== 'indirect') return `pinned: ${state.type}`
  return state.through == null ? 'pinned: indirect' : `pinned via ${String(state.through)}`
}
