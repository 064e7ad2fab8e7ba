/**
 * RFC 4648 base32, upper case, without padding: how go-datastore writes a multihash in a key.
 * (multiformats has it too, at some twenty times the cost; every key of a block passes here.)
 */
const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', 'latin1')

const VALUES = new Int8Array(256).fill(-1)
for (const [value, letter] of ALPHABET.entries()) {
  VALUES[letter] = value
}

/** The letters are written at `at` of `out`, which has room for them. Returns the end. */
export function encodeBase32(bytes: Uint8Array, out: Uint8Array, at: number): number {
  let bits = 0
  let buffer = 0
  for (const byte of bytes) {
    buffer = ((buffer << 8) | byte) & 0xffff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      out[at++] = ALPHABET[(buffer >> bits) & 31] as number
    }
  }
  if (bits > 0) {
    out[at++] = ALPHABET[(buffer << (5 - bits)) & 31] as number
  }
  return at
}

export function base32Length(bytes: number): number {
  return Math.ceil((bytes * 8) / 5)
}

/** Undefined unless the letters from `from` on are the one way to write some bytes. */
export function decodeBase32(letters: Uint8Array, from = 0): Uint8Array | undefined {
  const length = Math.floor(((letters.byteLength - from) * 5) / 8)
  if (base32Length(length) !== letters.byteLength - from) {
    return undefined
  }
  const bytes = new Uint8Array(length)
  let at = 0
  let bits = 0
  let buffer = 0
  for (let i = from; i < letters.byteLength; i++) {
    const value = VALUES[letters[i] as number] as number
    if (value < 0) {
      return undefined
    }
    buffer = ((buffer << 5) | value) & 0x1fff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = (buffer >> bits) & 255
    }
  }
  return (buffer & ((1 << bits) - 1)) === 0 ? bytes : undefined
}
