import type { CID } from 'multiformats/cid'

/** A block is not one of a pinset. */
export class BadPinsetError extends Error {
  static override readonly name = 'BadPinsetError'
  static readonly code = 'ERR_BAD_PINSET'
  override readonly name = 'BadPinsetError'
  readonly code = 'ERR_BAD_PINSET'

  constructor(cid: CID, why: string) {
    super(`${String(cid)} is not a block of a pinset (docs/pinset.md): ${why}`)
  }
}

/** A line of a list is no CID. */
export class BadMemberError extends Error {
  static override readonly name = 'BadMemberError'
  static readonly code = 'ERR_BAD_MEMBER'
  override readonly name = 'BadMemberError'
  readonly code = 'ERR_BAD_MEMBER'

  constructor(line: number, text: string, why: string) {
    super(`line ${line}: "${text.slice(0, 80)}" is no CID (${why}): correct it or take it out`)
  }
}
