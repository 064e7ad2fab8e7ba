import { randomBytes } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'

const SHA2_256 = 0x12
const SOURCE_BYTES = 64 * 1024 * 1024

export interface Block {
  cid: CID
  bytes: Uint8Array
}

/**
 * An endless supply of incompressible blocks of one size. Digests are random, not hashes: no store
 * here checks them, and hashing would be measured with the store otherwise.
 */
export class Blocks {
  readonly sizeBytes: number
  private readonly source = randomBytes(SOURCE_BYTES)
  private offset = 0

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes
  }

  next(): Block {
    this.offset = (this.offset + 4096 + this.sizeBytes) % (SOURCE_BYTES - this.sizeBytes)
    const bytes = this.source.subarray(this.offset, this.offset + this.sizeBytes)
    return { cid: randomCid(), bytes }
  }

  take(count: number): Block[] {
    return Array.from({ length: count }, () => this.next())
  }
}

export function randomCid(): CID {
  return CID.createV1(raw.code, Digest.create(SHA2_256, new Uint8Array(randomBytes(32))))
}
