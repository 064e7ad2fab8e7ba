import * as dagCbor from '@ipld/dag-cbor'
import * as dagJson from '@ipld/dag-json'
import * as dagPb from '@ipld/dag-pb'
import type { ByteView } from 'multiformats'
import { CID } from 'multiformats/cid'
import * as json from 'multiformats/codecs/json'
import * as raw from 'multiformats/codecs/raw'

/** Reads one block, from wherever the caller decided; rejects when it cannot be had. */
export type GetBlock = (cid: CID) => Promise<Uint8Array>

export interface Block {
  cid: CID
  bytes: Uint8Array
}

/** dag-cbor minus the rule that every map is in canonical order: what Kubo calls `cbor`. */
export const cborCode = 0x51
export const libp2pKeyCode = 0x72

interface Codec {
  name: string
  code: number
  decode(bytes: ByteView<unknown>): unknown
  encode(value: unknown): Uint8Array
}

const codecs: Codec[] = [
  raw as Codec,
  dagPb as unknown as Codec,
  dagCbor,
  dagJson,
  json,
  { ...(dagCbor as Codec), name: 'cbor', code: cborCode },
  { ...(raw as Codec), name: 'libp2p-key', code: libp2pKeyCode }
]

export function codecByName(name: string): Codec | undefined {
  return codecs.find(codec => codec.name === name)
}

export function codecByCode(code: number): Codec | undefined {
  return codecs.find(codec => codec.code === code)
}

export class UnknownCodecError extends Error {
  override readonly name = 'UnknownCodecError'

  constructor(code: number) {
    super(`no decoder registered for multicodec code ${code} (0x${code.toString(16)})`)
  }
}

export function decodeBlock({ cid, bytes }: Block): unknown {
  const codec = codecByCode(cid.code)
  if (codec == null) throw new UnknownCodecError(cid.code)
  return codec.decode(bytes)
}

/** The CIDs that a block links to, in their order, as often as they are there. */
export function linksOf(block: Block): CID[] {
  if (block.cid.code === raw.code) return []
  if (block.cid.code === dagPb.code) return dagPb.decode(block.bytes).Links.map(link => link.Hash)
  const links: CID[] = []
  const pending: unknown[] = [decodeBlock(block)]
  while (pending.length > 0) {
    const value = pending.pop()
    const cid = CID.asCID(value)
    if (cid != null) links.push(cid)
    else if (value instanceof Uint8Array || typeof value !== 'object' || value == null) continue
    else for (const child of Object.values(value).reverse() as unknown[]) pending.push(child)
  }
  return links
}
