import { base16, base16upper } from 'multiformats/bases/base16'
import { base2 } from 'multiformats/bases/base2'
import {
  base32,
  base32hex,
  base32hexupper,
  base32upper,
  base32pad,
  base32padupper,
  base32z
} from 'multiformats/bases/base32'
import { base36, base36upper } from 'multiformats/bases/base36'
import { base58btc, base58flickr } from 'multiformats/bases/base58'
import { base64, base64pad, base64url, base64urlpad } from 'multiformats/bases/base64'
import { base8 } from 'multiformats/bases/base8'
import { CID } from 'multiformats/cid'

export interface Base {
  name: string
  prefix: string
  encode(bytes: Uint8Array): string
  decode(text: string): Uint8Array
}

export const bases: Base[] = [
  base2,
  base8,
  base16,
  base16upper,
  base32,
  base32upper,
  base32pad,
  base32padupper,
  base32hex,
  base32hexupper,
  base32z,
  base36,
  base36upper,
  base58btc,
  base58flickr,
  base64,
  base64pad,
  base64url,
  base64urlpad
]

/** A CID in any multibase. Throws when it is none. */
export function parseCid(given: string): CID {
  if (/^Qm[1-9A-HJ-NP-Za-km-z]{44}$/.test(given)) return CID.parse(given)
  const base = bases.find(one => one.prefix === given[0])
  if (base == null) throw new Error('unknown multibase')
  return CID.decode(base.decode(given))
}
