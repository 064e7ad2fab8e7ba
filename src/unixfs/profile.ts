import { CID } from 'multiformats/cid'
import * as dagPb from '@ipld/dag-pb'
import * as raw from 'multiformats/codecs/raw'
import { create as createDigest } from 'multiformats/hashes/digest'
import { InvalidParametersError } from '../errors.ts'
import { identityCode, type Hasher, sha256 } from './hashers.ts'

/** What decides which CIDs the same bytes get. Two imports agree only if these agree. */
export interface Profile {
  cidVersion: 0 | 1
  rawLeaves: boolean
  chunkBytes: number
  hasher: Hasher
  /** Blocks up to this many bytes go into their CID instead of the store. Absent: none. */
  inlineBytes?: number
}

/** Kubo's classic default, and still that of its RPC. */
export const kuboDefaults: Profile = {
  cidVersion: 0,
  rawLeaves: false,
  chunkBytes: 262_144,
  hasher: sha256
}

/** Protobuf and UnixFS framing must fit beside the chunk in a block of 2 MiB. */
const chunkBytesMax = 2 * 1024 * 1024 - 256

/** Reads Kubo's `size-N`; its content-defined chunkers are refused. */
export function parseChunker(text: string): number {
  if (text === '' || text === 'default') return kuboDefaults.chunkBytes
  const match = /^size-(\d+)$/.exec(text)
  if (match == null) {
    throw new InvalidParametersError(
      /^(rabin|buzhash)/.test(text)
        ? `chunker "${text}" is not supported: only size-N is`
        : `unrecognized chunker option: ${text}`
    )
  }
  const bytes = Number(match[1])
  if (bytes === 0) throw new InvalidParametersError('chunker size must be greater than 0')
  if (bytes > chunkBytesMax) {
    throw new InvalidParametersError(
      `chunker parameters may not exceed the maximum chunk size of ${chunkBytesMax}`
    )
  }
  return bytes
}

export function cidOfNode(profile: Profile, bytes: Uint8Array): CID {
  return cidOf(profile, dagPb.code, bytes)
}

/** A raw leaf is CIDv1 whatever the profile's version is. */
export function cidOfRaw(profile: Profile, bytes: Uint8Array): CID {
  return cidOf({ ...profile, cidVersion: 1 }, raw.code, bytes)
}

function cidOf(profile: Profile, codec: number, bytes: Uint8Array): CID {
  if (profile.inlineBytes != null && bytes.byteLength <= profile.inlineBytes) {
    return CID.createV1(codec, identity(bytes))
  }
  return CID.create(profile.cidVersion, codec, profile.hasher.digest(bytes))
}

function identity(bytes: Uint8Array) {
  return createDigest(identityCode, bytes.slice())
}
