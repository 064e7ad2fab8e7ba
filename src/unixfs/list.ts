import type { PBLink } from '@ipld/dag-pb'
import type { Block, GetBlock } from './blocks.ts'
import { BadUnixfsError, readEntity, type Entity } from './entity.ts'
import { fetchAhead } from './fetch-ahead.ts'
import { hamtHash, shardPrefix } from './hamt.ts'

export type FolderEntity = Extract<Entity, { kind: 'folder' | 'shard' }>
type ShardEntity = Extract<Entity, { kind: 'shard' }>

/** Kubo makes shards of 256 children; the prefix of a link's name is its slot in hex. */
const prefixLength = 2

function checkShard(shard: ShardEntity): void {
  if (shard.fanout !== 256) {
    throw new BadUnixfsError(
      `${String(shard.block.cid)} is sharded by ${shard.fanout}, only 256 is known`
    )
  }
}

/** The entries of a folder, with the names that people see. `onBlock` gets each further shard. */
export async function* listFolder(
  folder: FolderEntity,
  get: GetBlock,
  onBlock?: (block: Block) => void
): AsyncGenerator<PBLink> {
  if (folder.kind === 'folder') {
    yield* folder.links
    return
  }
  checkShard(folder)
  const isShard = (link: PBLink) => (link.Name ?? '').length === prefixLength
  const shards = fetchAhead(folder.links.filter(isShard), link => link.Hash, get)
  for (const link of folder.links) {
    if (!isShard(link)) {
      yield { ...link, Name: (link.Name ?? '').slice(prefixLength) }
      continue
    }
    const step = await shards.next()
    if (step.done === true) return
    const { block } = step.value
    onBlock?.(block)
    yield* listFolder(subShard(block), get, onBlock)
  }
}

function subShard(block: Block): ShardEntity {
  const shard = readEntity(block)
  if (shard.kind !== 'shard')
    throw new BadUnixfsError(`${String(block.cid)} is no shard of a folder`)
  return shard
}

/** The entry of that name, by one path through the shards. `onBlock` gets each further shard. */
export async function findEntry(
  folder: FolderEntity,
  name: string,
  get: GetBlock,
  onBlock?: (block: Block) => void
): Promise<PBLink | undefined> {
  if (folder.kind === 'folder') return folder.links.find(link => link.Name === name)
  let shard: ShardEntity = folder
  for (const slot of await hamtHash(name)) {
    checkShard(shard)
    const prefix = shardPrefix(slot)
    const link = shard.links.find(({ Name }) => Name === prefix || Name === prefix + name)
    if (link == null || link.Name !== prefix) return link
    const block = { cid: link.Hash, bytes: await get(link.Hash) }
    onBlock?.(block)
    shard = subShard(block)
  }
  return undefined
}
