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

  take(count: number): Block[] {
    return randomCids(count).map(cid => ({ cid, bytes: this.nextBytes() }))
  }

  private nextBytes(): Uint8Array {
    this.offset = (this.offset + 4096 + this.sizeBytes) % (SOURCE_BYTES - this.sizeBytes)
    return this.source.subarray(this.offset, this.offset + this.sizeBytes)
  }
}

/** Made many at once, so that making them costs little beside what is measured. */
export function randomCids(count: number): CID[] {
  const digests = new Uint8Array(randomBytes(32 * count))
  return Array.from({ length: count }, (_, i) =>
    CID.createV1(raw.code, Digest.create(SHA2_256, digests.subarray(i * 32, i * 32 + 32)))
  )
}
