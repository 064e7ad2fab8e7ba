import { CID } from 'multiformats/cid'
import { decode as decodeMultihash } from 'multiformats/hashes/digest'
import { MAX_MULTIHASH_BYTES } from '../../stores/blockstore.ts'
import { base32Length, decodeBase32, encodeBase32 } from './base32.ts'
import { malformed } from './failure.ts'

const SLASH = 0x2f
const IDENTITY = 0x00
const RAW = 0x55

/** Says no to what is not a key of go-datastore: `/` and more, without a `/` at the end. */
export function checkKey(key: Uint8Array, maxBytes: number): Uint8Array {
  const length = key.byteLength
  if (length === 0 || key[0] !== SLASH) {
    throw malformed('ERR_MALFORMED_KEY', 'a key begins with /')
  }
  if (length > 1 && key[length - 1] === SLASH) {
    throw malformed('ERR_MALFORMED_KEY', 'a key does not end with /')
  }
  if (length > maxBytes) {
    throw malformed('ERR_MALFORMED_KEY', `a key has at most ${maxBytes} bytes, not ${length}`)
  }
  return key
}

/** The bytes of a percent-encoded query value (`+` is a space). Keys need not be UTF-8. */
export function decodePercent(text: string): Uint8Array {
  const bytes = Buffer.from(text.replaceAll('+', ' '), 'utf8')
  let length = 0
  for (let i = 0; i < bytes.byteLength; i++) {
    if (bytes[i] !== 0x25) {
      bytes[length++] = bytes[i] as number
      continue
    }
    const hex = bytes.toString('latin1', i + 1, i + 3)
    if (!/^[0-9a-fA-F]{2}$/.test(hex)) {
      throw malformed('ERR_MALFORMED_KEY', `%${hex} is not a percent-encoded byte`)
    }
    bytes[length++] = Number.parseInt(hex, 16)
    i += 2
  }
  return bytes.subarray(0, length)
}

/**
 * The CID (raw: a store knows multihashes) of a key `/CIQ…`, whose name begins at `from`. Undefined
 * when the name is not the one way to write the multihash of a block that is stored: such a key,
 * as odd as it is, is a key like any other.
 */
export function blockOfKey(key: Uint8Array, from: number): CID | undefined {
  const multihash = decodeBase32(key, from)
  if (multihash == null || multihash.byteLength > MAX_MULTIHASH_BYTES) {
    return undefined
  }
  try {
    const digest = decodeMultihash(multihash)
    return digest.code === IDENTITY ? undefined : CID.createV1(RAW, digest)
  } catch {
    return undefined
  }
}

/** `prefix`, a slash, and the multihash in base32. */
export function keyOfBlock(prefix: Uint8Array, { multihash: { bytes } }: CID): Uint8Array {
  const key = new Uint8Array(prefix.byteLength + 1 + base32Length(bytes.byteLength))
  key.set(prefix)
  key[prefix.byteLength] = SLASH
  encodeBase32(bytes, key, prefix.byteLength + 1)
  return key
}

export function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return (
    bytes.byteLength >= start.byteLength &&
    Buffer.compare(bytes.subarray(0, start.byteLength), start) === 0
  )
}
