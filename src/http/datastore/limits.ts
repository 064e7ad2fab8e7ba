import { MAX_BLOCK_BYTES } from '../../stores/blockstore.ts'
import { MAX_VALUE_BYTES } from '../../stores/datastore.ts'

export interface Limits {
  /** The longest key, in bytes, as it is in a request before percent-encoding. */
  keyBytes: number
  /** The largest value of a keyed record. */
  valueBytes: number
  /** The largest value under a multihash. */
  blockBytes: number
  /** The largest body of a batch. */
  batchBytes: number
  /** The most operations of a batch. */
  batchOperations: number
  /** All bodies that are in memory at one time; what comes beyond waits before it is read. */
  bodiesBytes: number
  /** Connections at one time; one more is answered 503 and closed. */
  connections: number
  /** For the request line and the headers. */
  headersMs: number
  /** A body may take this long, and longer by its length over `bodyBytesPerSecond`. */
  bodyMs: number
  bodyBytesPerSecond: number
}

export const LIMITS: Limits = {
  keyBytes: 4096,
  valueBytes: MAX_VALUE_BYTES,
  blockBytes: MAX_BLOCK_BYTES,
  batchBytes: 128 * 1024 * 1024,
  batchOperations: 1_000_000,
  bodiesBytes: 512 * 1024 * 1024,
  connections: 4096,
  headersMs: 10_000,
  bodyMs: 30_000,
  bodyBytesPerSecond: 1024 * 1024
}

/** What a client must know of them, as `GET /` tells it. */
export type ToldLimits = Pick<
  Limits,
  'keyBytes' | 'valueBytes' | 'blockBytes' | 'batchBytes' | 'batchOperations'
>

export function toldLimits(limits: Limits): ToldLimits {
  const { keyBytes, valueBytes, blockBytes, batchBytes, batchOperations } = limits
  return { keyBytes, valueBytes, blockBytes, batchBytes, batchOperations }
}
