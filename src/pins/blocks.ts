import type { GotBlock, RemovedBlocks } from '../native.ts'
import { keyBytes } from './catalog.ts'
import { sha256Multihash } from './node.ts'

/**
 * The block store as pins see it: by key (see node.ts), in batches. A multihash is needed only where
 * one is shown to somebody.
 */
export interface PinBlocks {
  /** Lengths in bytes; -1 where there is none. Keys back to back, as in all of these. */
  sizes(keys: Uint8Array): Promise<Float64Array>
  read(keys: Uint8Array): Promise<GotBlock[]>
  /** Absent ones are passed over. Works on a full pool too. Tells what was there. */
  remove(keys: Uint8Array): Promise<RemovedBlocks>
  /** Every block's key, a page at a time. */
  scan(
    from: Uint8Array | undefined,
    limit: number
  ): Promise<{ keys: Uint8Array; next?: Uint8Array }>
  /** Returns once all that was stored so far is on disk. */
  flush(): Promise<void>
}

export function countOf({ digests, multihashes }: RemovedBlocks): number {
  return digests.length / keyBytes + multihashes.length
}

/** Each is good until the next one is taken. */
export function* multihashesOf({ digests, multihashes }: RemovedBlocks): Generator<Uint8Array> {
  const common = sha256Multihash(digests.subarray(0, keyBytes))
  for (let at = 0; at < digests.length; at += keyBytes) {
    for (let i = 0; i < keyBytes; i++) common[2 + i] = digests[at + i] as number
    yield common
  }
  yield* multihashes
}
