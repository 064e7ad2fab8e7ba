import type { GotBlock } from '../native.ts'

/**
 * The block store as pins see it: by key (see node.ts), in batches. A multihash is needed only where
 * one is shown to somebody.
 */
export interface PinBlocks {
  /** Lengths in bytes; -1 where there is none. Keys back to back, as in all of these. */
  sizes(keys: Uint8Array): Promise<Float64Array>
  read(keys: Uint8Array): Promise<GotBlock[]>
  /** Absent ones are passed over. Works on a full pool too. */
  remove(multihashes: Uint8Array[]): Promise<void>
  /** Undefined where there is no such block. */
  multihashes(keys: Uint8Array): Promise<Array<Uint8Array | undefined>>
  /** Every block's key, a page at a time. */
  scan(
    from: Uint8Array | undefined,
    limit: number
  ): Promise<{ keys: Uint8Array; next?: Uint8Array }>
  /** Returns once all that was stored so far is on disk. */
  flush(): Promise<void>
}
