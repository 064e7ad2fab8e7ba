import type { CID } from 'multiformats/cid'

/** The texts are Kubo's: IPFS Cluster and other clients compare them. */

export class NotPinnedError extends Error {
  static override readonly name = 'NotPinnedError'
  static readonly code = 'ERR_NOT_PINNED'
  override readonly name = 'NotPinnedError'
  readonly code = 'ERR_NOT_PINNED'

  constructor() {
    super('not pinned or pinned indirectly')
  }
}

/** A recursive pin where the caller spoke of a direct one. */
export class PinnedRecursivelyError extends Error {
  static override readonly name = 'PinnedRecursivelyError'
  static readonly code = 'ERR_PINNED_RECURSIVELY'
  override readonly name = 'PinnedRecursivelyError'
  readonly code = 'ERR_PINNED_RECURSIVELY'

  constructor(cid: CID, what: 'is pinned' | 'already pinned') {
    super(`${String(cid)} ${what} recursively`)
  }
}

/** `pin update` from something that is no recursive pin. */
export class UpdateSourceError extends Error {
  static override readonly name = 'UpdateSourceError'
  static readonly code = 'ERR_UPDATE_SOURCE'
  override readonly name = 'UpdateSourceError'
  readonly code = 'ERR_UPDATE_SOURCE'

  constructor() {
    super("'from' cid was not recursively pinned already")
  }
}

/** Not here, and nobody was asked or nobody has it. */
export class BlockMissingError extends Error {
  static override readonly name = 'BlockMissingError'
  static readonly code = 'ERR_BLOCK_MISSING'
  override readonly name = 'BlockMissingError'
  readonly code = 'ERR_BLOCK_MISSING'

  constructor(cid: CID) {
    super(`block was not found locally (offline): ipld: could not find ${String(cid)}`)
  }
}

/** A block does not decode with the codec of its CID. */
export class BadBlockError extends Error {
  static override readonly name = 'BadBlockError'
  static readonly code = 'ERR_BAD_BLOCK'
  override readonly name = 'BadBlockError'
  readonly code = 'ERR_BAD_BLOCK'

  constructor(cid: CID, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause)
    super(`block ${String(cid)} does not decode: ${why}`, { cause })
  }
}

/** A block links to itself through others: its bytes cannot be what their CIDs say. */
export class CyclicDagError extends Error {
  static override readonly name = 'CyclicDagError'
  static readonly code = 'ERR_CYCLIC_DAG'
  override readonly name = 'CyclicDagError'
  readonly code = 'ERR_CYCLIC_DAG'

  constructor(cid: CID) {
    super(`block ${String(cid)} is linked from below itself: run repo verify, its bytes are wrong`)
  }
}

/** Nobody gave the block in time. */
export class BlockTimeoutError extends Error {
  static override readonly name = 'BlockTimeoutError'
  static readonly code = 'ERR_BLOCK_TIMEOUT'
  override readonly name = 'BlockTimeoutError'
  readonly code = 'ERR_BLOCK_TIMEOUT'

  constructor(cid: CID, afterMs: number) {
    super(
      `block ${String(cid)} did not arrive within ${afterMs / 1000} s: ` +
        'connect to a peer that has it, then pin again'
    )
  }
}
