import { createHash, hash as hashOnce } from 'node:crypto'
import { create as createDigest, type Digest } from 'multiformats/hashes/digest'

/** A multihash function that runs in native code, at once, on the calling thread. */
export interface Hasher {
  name: string
  code: number
  /** Cut to `length` bytes when it is given. */
  digest(bytes: Uint8Array, length?: number): Digest<number, number>
}

const openssl: Array<[name: string, code: number, algorithm: string]> = [
  ['sha1', 0x11, 'sha1'],
  ['sha2-256', 0x12, 'sha256'],
  ['sha2-512', 0x13, 'sha512'],
  ['sha3-512', 0x14, 'sha3-512'],
  ['sha3-384', 0x15, 'sha3-384'],
  ['sha3-256', 0x16, 'sha3-256'],
  ['sha3-224', 0x17, 'sha3-224'],
  ['sha2-384', 0x20, 'sha384'],
  ['blake2b-512', 0xb240, 'blake2b512'],
  ['blake2s-256', 0xb260, 'blake2s256']
]

const hashers: Hasher[] = openssl.map(([name, code, algorithm]) => ({
  name,
  code,
  digest: (bytes, length) =>
    createDigest(code, hashOnce(algorithm, bytes, 'buffer').subarray(0, length))
}))

hashers.push({
  name: 'dbl-sha2-256',
  code: 0x56,
  digest: (bytes, length) => {
    const first = createHash('sha256').update(bytes).digest()
    return createDigest(0x56, createHash('sha256').update(first).digest().subarray(0, length))
  }
})

/** Kubo refuses longer ones too: a block this small belongs in its CID, a larger one in a store. */
export const identityBytesMax = 128
export const identityCode = 0x00

hashers.push({
  name: 'identity',
  code: identityCode,
  digest: bytes => createDigest(identityCode, bytes.slice())
})

const byName = new Map(hashers.map(hasher => [hasher.name, hasher]))

/** As `ipfs add --hash` names them; undefined when there is no such function here. */
export function hasherByName(name: string): Hasher | undefined {
  return byName.get(name.toLowerCase())
}

export const sha256 = byName.get('sha2-256') as Hasher
