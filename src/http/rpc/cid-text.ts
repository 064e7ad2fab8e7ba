import { base58btc } from 'multiformats/bases/base58'
import type { CID } from 'multiformats/cid'
import { bases } from '../../unixfs/cid-text.ts'
import type { Options } from './options.ts'

/** How a request wants CIDs written. Version 0 exists in base58btc only: elsewhere it is made 1. */
export function cidWriter(options: Options): (cid: CID) => string {
  const name = options.text('cid-base')
  const base = name == null || name === '' ? undefined : bases.find(one => one.name === name)
  if (name != null && name !== '' && base == null) {
    throw new Error(`unsupported multibase encoding: ${name}`)
  }
  const upgrade = options.bool('upgrade-cidv0-in-output', base != null && base !== base58btc)
  return cid => {
    const shown = upgrade ? cid.toV1() : cid
    return base == null || shown.version === 0 ? shown.toString() : base.encode(shown.bytes)
  }
}
