import type { CID } from 'multiformats/cid'
import { CID as CIDs } from 'multiformats/cid'
import * as dagPb from '@ipld/dag-pb'
import * as raw from 'multiformats/codecs/raw'
import { decodeBlock, type Block, type GetBlock } from './blocks.ts'
import { readEntity } from './entity.ts'
import { findEntry } from './list.ts'

export interface ContentPath {
  root: CID
  segments: string[]
}

export interface Resolved {
  cid: CID
  /** Steps within the last block that led to no link, for dag-cbor and dag-json. */
  remainder: string[]
  /** What was read on the way, without the block of `cid` itself. */
  visited: Block[]
}

/** Kubo's words, so that its clients recognise them. */
export class NoLinkError extends Error {
  override readonly name = 'NoLinkError'

  constructor(name: string, under: CID) {
    super(`no link named ${JSON.stringify(name)} under ${String(under)}`)
  }
}

export class NoKeyError extends Error {
  override readonly name = 'NoKeyError'

  constructor(key: string) {
    super(`key not found: ${JSON.stringify(key)}`)
  }
}

/** Follows a path through folders, shards and the links of dag-cbor and dag-json. */
export async function resolvePath(path: ContentPath, get: GetBlock): Promise<Resolved> {
  const visited: Block[] = []
  let cid = path.root
  let rest = path.segments
  while (rest.length > 0) {
    const block: Block = { cid, bytes: await get(cid) }
    if (cid.code !== dagPb.code && cid.code !== raw.code) {
      const step = followData(block, rest)
      if (step.link == null) return { cid, remainder: rest, visited }
      visited.push(block)
      cid = step.link
      rest = step.rest
      continue
    }
    const [name = '', ...others] = rest
    visited.push(block)
    const next = await followName(block, name, get, extra => visited.push(extra))
    if (next == null) throw new NoLinkError(name, cid)
    cid = next
    rest = others
  }
  return { cid, remainder: [], visited }
}

async function followName(
  block: Block,
  name: string,
  get: GetBlock,
  onBlock: (block: Block) => void
): Promise<CID | undefined> {
  const entity = readEntity(block)
  if (entity.kind === 'folder' || entity.kind === 'shard') {
    return (await findEntry(entity, name, get, onBlock))?.Hash
  }
  if (entity.kind !== 'other') return undefined
  return entity.links.find(link => link.Name === name)?.Hash
}

function followData(block: Block, segments: string[]): { link?: CID; rest: string[] } {
  let value = decodeBlock(block)
  for (const [i, segment] of segments.entries()) {
    value = child(value, segment)
    if (value === undefined) throw new NoKeyError(segment)
    const link = CIDs.asCID(value)
    if (link != null) return { link, rest: segments.slice(i + 1) }
  }
  return { rest: segments }
}

/** What is at one key of a map or index of a list; undefined when there is nothing. */
export function child(value: unknown, segment: string): unknown {
  if (value == null || typeof value !== 'object' || value instanceof Uint8Array) return undefined
  if (Array.isArray(value)) return /^\d+$/.test(segment) ? value[Number(segment)] : undefined
  return Object.hasOwn(value, segment) ? (value as Record<string, unknown>)[segment] : undefined
}
