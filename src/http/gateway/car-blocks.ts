import type { CID } from 'multiformats/cid'
import type { Block, GetBlock } from '../../unixfs/blocks.ts'
import { readEntity, type Entity } from '../../unixfs/entity.ts'
import { listFolder } from '../../unixfs/list.ts'
import { fileSteps, type ByteRange } from '../../unixfs/read.ts'
import { walkDag } from '../../unixfs/walk.ts'
import { GatewayError, type CarRequest, type EntityBytes } from './negotiate.ts'

/** Where a path led: the last block, and those that prove the way there. */
export interface Terminus {
  block: Block
  path: Block[]
}

/** The blocks of a CAR answer, depth first: the way, then what the scope asks for. */
export async function* carBlocks(
  terminus: Terminus,
  request: CarRequest,
  get: GetBlock
): AsyncGenerator<Block> {
  const sent = new Set<string>()
  const isNew = (cid: CID) => {
    if (request.duplicates) return true
    const key = cid.toString()
    return !sent.has(key) && sent.add(key) != null
  }
  for (const block of terminus.path) if (isNew(block.cid)) yield block
  if (request.scope === 'all') {
    yield* walkDag(terminus.block.cid, get, { duplicates: request.duplicates, seen: sent })
    return
  }
  if (request.scope === 'block') {
    if (isNew(terminus.block.cid)) yield terminus.block
    return
  }
  for await (const block of entityBlocks(terminus.block, request.bytes, get)) {
    if (isNew(block.cid)) yield block
  }
}

/** What is needed to read a file, or a part of it, or to list a folder. */
async function* entityBlocks(
  block: Block,
  bytes: EntityBytes | undefined,
  get: GetBlock
): AsyncGenerator<Block> {
  const entity = tryEntity(block)
  if (entity?.kind === 'file') {
    const range = byteRange(bytes, entity.size)
    if (range == null) yield block
    else for await (const step of fileSteps(entity, get, range)) yield step.block
    return
  }
  yield block
  if (entity?.kind !== 'shard') return
  const shards: Block[] = []
  const listing = listFolder(entity, get, shard => shards.push(shard))
  while ((await listing.next()).done !== true) yield* shards.splice(0)
}

/** A codec that is unknown here is no reason to refuse its block. */
function tryEntity(block: Block): Entity | undefined {
  try {
    return readEntity(block)
  } catch {
    return undefined
  }
}

/** Undefined when nothing of the file is in the range. */
function byteRange(bytes: EntityBytes | undefined, size: number): ByteRange | undefined {
  if (bytes == null) return { from: 0, to: size }
  const fromEnd = (offset: number) => (offset < 0 ? size + offset : offset)
  const from = Math.max(0, fromEnd(bytes.from))
  const to = Math.min(size, bytes.to == null ? size : fromEnd(bytes.to) + 1)
  return from < to ? { from, to } : undefined
}

/** Said before the answer begins, as the specification wants it. */
export function checkRange(block: Block, { bytes }: CarRequest): void {
  const entity = bytes == null ? undefined : tryEntity(block)
  if (bytes == null || entity?.kind !== 'file' || bytes.from < 0) return
  if (bytes.from > 0 && bytes.from >= entity.size) {
    throw new GatewayError(400, `entity-bytes are outside of the ${entity.size} bytes there are`)
  }
}
