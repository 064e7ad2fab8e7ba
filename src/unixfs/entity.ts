import * as dagPb from '@ipld/dag-pb'
import type { PBLink } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import * as raw from 'multiformats/codecs/raw'
import { decodeBlock, type Block } from './blocks.ts'

/** What a block is to someone who reads files and folders. */
export type Entity =
  | { kind: 'file'; block: Block; size: number; data: Uint8Array; parts: FilePart[] }
  | { kind: 'folder'; block: Block; links: PBLink[] }
  | { kind: 'shard'; block: Block; links: PBLink[]; fanout: number }
  | { kind: 'symlink'; block: Block; target: string }
  /** Not UnixFS: dag-cbor and its like, or a dag-pb node without UnixFS in it. */
  | { kind: 'other'; block: Block; links: PBLink[] }

export interface FilePart {
  link: PBLink
  /** Of the file's content, below this link. */
  size: number
}

export class BadUnixfsError extends Error {
  override readonly name = 'BadUnixfsError'
}

const noData = new Uint8Array(0)

export function readEntity(block: Block): Entity {
  if (block.cid.code === raw.code) {
    return { kind: 'file', block, size: block.bytes.byteLength, data: block.bytes, parts: [] }
  }
  if (block.cid.code !== dagPb.code) {
    decodeBlock(block)
    return { kind: 'other', block, links: [] }
  }
  const { Data, Links } = dagPb.decode(block.bytes)
  const unixfs = Data == null ? undefined : tryUnmarshal(Data)
  if (unixfs == null) return { kind: 'other', block, links: Links }
  switch (unixfs.type) {
    case 'directory':
      return { kind: 'folder', block, links: Links }
    case 'hamt-sharded-directory':
      return { kind: 'shard', block, links: Links, fanout: Number(unixfs.fanout ?? 0n) }
    case 'symlink':
      return { kind: 'symlink', block, target: new TextDecoder().decode(unixfs.data ?? noData) }
    default:
      return fileEntity(block, unixfs, Links)
  }
}

function tryUnmarshal(data: Uint8Array): UnixFS | undefined {
  try {
    return UnixFS.unmarshal(data)
  } catch {
    return undefined
  }
}

function fileEntity(block: Block, unixfs: UnixFS, links: PBLink[]): Entity {
  if (unixfs.blockSizes.length !== links.length) {
    throw new BadUnixfsError(
      `file ${String(block.cid)} has ${links.length} links but ${unixfs.blockSizes.length} sizes`
    )
  }
  const parts = links.map((link, i) => ({ link, size: Number(unixfs.blockSizes[i] ?? 0n) }))
  const data = unixfs.data ?? noData
  let size = data.byteLength
  for (const part of parts) size += part.size
  return { kind: 'file', block, size, data, parts }
}
