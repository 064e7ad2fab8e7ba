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
import * as Digest from 'multiformats/hashes/digest'

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
  const usual = parseUsual(given)
  if (usual != null) return usual
  if (/^Qm[1-9A-HJ-NP-Za-km-z]{44}$/.test(given)) return CID.parse(given)
  const base = bases.find(one => one.prefix === given[0])
  if (base == null) throw new Error('unknown multibase')
  return CID.decode(base.decode(given))
}

const base32Digits = 'abcdefghijklmnopqrstuvwxyz234567'
/** By character code; 32 for what is no digit. */
const base32Values = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = base32Digits.indexOf(String.fromCharCode(code))
  return value < 0 ? 32 : value
})
/** Version, codec, and a multihash of sha2-256. */
const usualBytes = 36
const usualLength = 1 + Math.ceil((usualBytes * 8) / 5)

/**
 * The text of most CIDs, version 1 with sha2-256 in base32, in a fraction of the time that the
 * general way takes. Undefined for any other.
 */
function parseUsual(text: string): CID | undefined {
  if (text.length !== usualLength || !text.startsWith('b')) return undefined
  const bytes = new Uint8Array(usualBytes)
  let held = 0
  let heldBits = 0
  let used = 0
  for (let i = 1; i < usualLength; i++) {
    const value = base32Values[text.charCodeAt(i)] ?? 32
    if (value === 32) return undefined
    held = ((held << 5) | value) & 0xfff
    heldBits += 5
    if (heldBits < 8) continue
    heldBits -= 8
    bytes[used++] = (held >> heldBits) & 255
  }
  const codec = bytes[1] as number
  const isUsual = bytes[0] === 1 && codec < 0x80 && bytes[2] === 0x12 && bytes[3] === 32
  // what is left over is padding, and 0
  if (!isUsual || (held & ((1 << heldBits) - 1)) !== 0) return undefined
  const multihash = bytes.subarray(2)
  return new CID(1, codec, new Digest.Digest(0x12, 32, multihash.subarray(2), multihash), bytes)
}
