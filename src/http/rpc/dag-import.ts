import type { CID } from 'multiformats/cid'
import { BadCarError } from '../../errors.ts'
import type { Node } from '../../node/node.ts'
import { MAX_BLOCK_BYTES } from '../../stores/blockstore.ts'
import { verifyBlock } from '../../stores/verify-block.ts'
import { BlockWriter } from '../../unixfs/block-writer.ts'
import { readCar } from '../../unixfs/car-reader.ts'
import { checkBlockSize } from './block.ts'
import { values, type Command, type RpcRequest } from './command.ts'
import { errorText } from './errors.ts'
import { bool } from './options.ts'
import { pinRecursively } from './pinning.ts'

interface Imported {
  roots: Map<string, CID>
  blocks: number
  bytes: number
}

export const dagImport: Command = {
  name: 'dag/import',
  file: 'path',
  options: [
    bool('pin-roots'),
    bool('local-only'),
    bool('silent'),
    bool('stats'),
    bool('allow-big-block')
  ],
  run: (request, node) => {
    const { options } = request
    if (options.bool('local-only') && options.bool('pin-roots')) {
      throw new Error(
        '--local-only implies --pin-roots=false and cannot be combined with --pin-roots=true; ' +
          'please drop one of them'
      )
    }
    return values(imported(request, node))
  }
}

async function* imported(request: RpcRequest, node: Node): AsyncGenerator<object> {
  const { options, signal } = request
  const result: Imported = { roots: new Map(), blocks: 0, bytes: 0 }
  const writer = new BlockWriter(node.blocks.store, { signal }, cids => node.announce(cids))
  await node.gcLock.acquire(false)
  try {
    for await (const { content } of request.parts()) {
      await importOne(content, writer, request, result)
    }
    await writer.flush()
    if (options.bool('pin-roots', !options.bool('local-only'))) {
      for (const root of result.roots.values()) yield await pinRoot(root, request, node)
    }
  } finally {
    node.gcLock.release(false)
  }
  if (options.bool('stats')) {
    yield { Stats: { BlockCount: result.blocks, BlockBytesCount: result.bytes } }
  }
}

/** Blocks before a fault stay; they are right, and nothing pins them. */
async function importOne(
  content: AsyncIterable<Uint8Array>,
  writer: BlockWriter,
  request: RpcRequest,
  result: Imported
): Promise<void> {
  const car = await readCar(content, { blockBytesMax: MAX_BLOCK_BYTES })
  let previous: CID | undefined
  try {
    for await (const { cid, bytes } of car.blocks) {
      checkBlockSize(bytes.byteLength, request.options)
      verifyBlock(cid, bytes)
      await writer.put(cid, bytes)
      result.blocks++
      result.bytes += bytes.byteLength
      previous = cid
    }
  } catch (error) {
    await writer.flush()
    throw importError(error, previous)
  }
  // only of archives that were well-formed
  for (const root of car.roots) result.roots.set(root.toString(), root)
}

function importError(error: unknown, previous: CID | undefined): unknown {
  // an archive that is not right is one thing, a disk or a client that fails another
  const isArchives = error instanceof Error && faults.has(error.name)
  if (!isArchives) return error
  const where = previous == null ? '' : ` after block "${String(previous)}"`
  return new BadCarError(`import failed${where}: ${error.message}`)
}

const faults = new Set(['BadCarError', 'HashMismatchError', 'TooLargeError'])

/** As Kubo does, whatever sticks: a root that cannot be pinned says why, and the next is tried. */
async function pinRoot(root: CID, request: RpcRequest, node: Node): Promise<object> {
  const { signal } = request
  let PinErrorMsg = ''
  try {
    await pinRecursively(root, node, { signal })
  } catch (error) {
    if (signal.aborted) throw error
    PinErrorMsg = errorText(error)
  }
  return { Root: { Cid: { '/': request.cidText(root) }, PinErrorMsg } }
}
