import type { AbortOptions } from 'abort-error'
import type { CID } from 'multiformats/cid'

/** `recursive` covers a block and all that it links to, `direct` the block alone. */
export type PinMode = 'recursive' | 'direct'

export interface Pin {
  cid: CID
  mode: PinMode
  /** Empty: it has none. */
  name: string
}

/** A pin in parts. */
export interface BarePin {
  version: 0 | 1
  codec: number
  multihash: Uint8Array
  mode: PinMode
  isNamed: boolean
}

/** Why a CID is pinned. */
export interface PinState {
  type: PinMode | 'indirect'
  /** Of the pin itself; empty for an indirect one. */
  name: string
  /**
   * For `indirect`: a recursive pin that covers it, when one was found among the first pins looked
   * through. Knowing that it is covered is one lookup, finding by which pin is a search.
   */
  through?: CID
}

/** Only grows. Blocks under what was pinned before are not counted: they are not visited. */
export interface PinProgress {
  blocks: number
  bytes: number
}

/** Fetches what is not here. Absent from an operation: it is offline, and a gap is an error. */
export interface Fetcher {
  /**
   * Resolves when the block is in the block store, or rejects: BlockTimeoutError when nobody gave
   * it in time, what the network said otherwise.
   */
  fetch(cid: CID, options: AbortOptions): Promise<void>
}

export interface AddOptions extends AbortOptions {
  /** Default: `recursive`. */
  mode?: PinMode
  /** At most 255 bytes of UTF-8. Default: none; pinning again replaces the name. */
  name?: string
  /** Absent: only what is here already can be pinned. */
  fetcher?: Fetcher
  onProgress?: (progress: PinProgress) => void
  /** The caller holds the lock against garbage collection, shared, already. */
  holdsLock?: boolean
}

export interface RmOptions extends AbortOptions {
  /** False: a recursive pin is refused. Default: true. */
  recursive?: boolean
  /** As in AddOptions. */
  holdsLock?: boolean
}

export interface UpdateOptions extends Omit<AddOptions, 'mode' | 'name'> {
  /** Remove the old pin in the same step. Default: true. */
  unpin?: boolean
}

export interface LsOptions extends AbortOptions {
  /** Default: both. */
  mode?: PinMode
}

export interface StateOptions extends AbortOptions {
  /** Look for this kind only. Default: `all`. */
  type?: PinMode | 'indirect' | 'all'
  /** Search for the pin that an indirect one is covered by. Default: false. */
  through?: boolean
}

export interface BadNode {
  cid: CID
  /** What is wrong, in words. */
  why: string
}

export interface PinVerdict {
  cid: CID
  ok: boolean
  bad: BadNode[]
}

export interface GcProgress {
  /** Looked at so far. */
  checked: number
  /** Deleted so far. */
  deleted: number
  /** Still to look at, about. */
  queued: number
}

export interface GcOptions extends AbortOptions {
  /** Never-pinned blocks younger than this stay, in seconds. Default: 0. */
  minAgeSeconds?: number
  /** Stop when so many blocks are deleted. Default: no limit. */
  maxBlocks?: number
  /** At most so many deletions a second. Default: no limit. */
  blocksPerSecond?: number
  onProgress?: (progress: GcProgress) => void
}
