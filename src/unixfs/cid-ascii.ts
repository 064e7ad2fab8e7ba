/**
 * Texts of CIDs, written as ASCII into a buffer: a listing of millions spends most of its time in
 * them, and general encoders take ten times as long.
 */

const base32Alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
const base58Alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

const digits32 = Uint8Array.from(base32Alphabet, char => char.charCodeAt(0))
const digits58 = Uint8Array.from(base58Alphabet, char => char.charCodeAt(0))

/** Lower case and without padding (RFC 4648). Gives the place after the last character. */
export function writeBase32(
  bytes: Uint8Array,
  out: Uint8Array,
  at: number,
  length = bytes.length
): number {
  let i = 0
  // five bytes are eight digits
  for (; i + 5 <= length; i += 5) {
    const high = ((bytes[i] as number) << 12) | ((bytes[i + 1] as number) << 4)
    const middle = bytes[i + 2] as number
    const low = ((bytes[i + 3] as number) << 8) | (bytes[i + 4] as number)
    const first = high | (middle >> 4)
    const second = ((middle & 15) << 16) | low
    out[at] = digits32[first >> 15] as number
    out[at + 1] = digits32[(first >> 10) & 31] as number
    out[at + 2] = digits32[(first >> 5) & 31] as number
    out[at + 3] = digits32[first & 31] as number
    out[at + 4] = digits32[second >> 15] as number
    out[at + 5] = digits32[(second >> 10) & 31] as number
    out[at + 6] = digits32[(second >> 5) & 31] as number
    out[at + 7] = digits32[second & 31] as number
    at += 8
  }
  let held = 0
  let heldBits = 0
  for (; i < length; i++) {
    held = (held << 8) | (bytes[i] as number)
    heldBits += 8
    while (heldBits >= 5) {
      heldBits -= 5
      out[at++] = digits32[(held >> heldBits) & 31] as number
    }
    held &= (1 << heldBits) - 1
  }
  if (heldBits > 0) out[at++] = digits32[(held << (5 - heldBits)) & 31] as number
  return at
}

let cid = new Uint8Array(64)

/** A CID of version 1 whose codec is below 2^14. Gives the place after the last character. */
export function writeBase32Cid(
  codec: number,
  multihash: Uint8Array,
  out: Uint8Array,
  at: number
): number {
  if (cid.length < 3 + multihash.length) cid = new Uint8Array(3 + multihash.length)
  cid[0] = 1
  let length = 1
  if (codec < 0x80) cid[length++] = codec
  else {
    cid[length++] = (codec & 0x7f) | 0x80
    cid[length++] = codec >> 7
  }
  for (let i = 0; i < multihash.length; i++) cid[length++] = multihash[i] as number
  out[at++] = 0x62 // b: multibase's base32
  return writeBase32(cid, out, at, length)
}

/** So many digits are taken off at a time: 58^5 times 2^16 is still exact. */
const groupDigits = 5
const group = 58 ** groupDigits
const limbs = new Float64Array(128)

/** Bitcoin's alphabet. Gives the place after the last character. At most 256 bytes. */
export function writeBase58(bytes: Uint8Array, out: Uint8Array, at: number): number {
  let zeros = 0
  while (zeros < bytes.length && bytes[zeros] === 0) zeros++
  const count = loadLimbs(bytes, zeros)
  for (let i = 0; i < zeros; i++) out[at++] = digits58[0] as number
  const start = at
  let first = 0
  while (first < count) {
    let rest = 0
    for (let i = first; i < count; i++) {
      const value = rest * 65_536 + (limbs[i] as number)
      const quotient = Math.floor(value / group)
      limbs[i] = quotient
      rest = value - quotient * group
    }
    while (first < count && limbs[first] === 0) first++
    // leading zeros of the last group are no digits of the number
    for (let i = 0; i < groupDigits && (first < count || rest > 0); i++) {
      out[at++] = digits58[rest % 58] as number
      rest = Math.floor(rest / 58)
    }
  }
  out.subarray(start, at).reverse()
  return at
}

/** 16 bits each, the greatest first. */
function loadLimbs(bytes: Uint8Array, from: number): number {
  let count = 0
  let i = from
  if ((bytes.length - from) % 2 === 1) limbs[count++] = bytes[i++] as number
  while (i < bytes.length) {
    limbs[count++] = (bytes[i] as number) * 256 + (bytes[i + 1] as number)
    i += 2
  }
  return count
}
