import { isUint8Array } from 'node:util/types'
import { InvalidParametersError, TooLargeError } from '../errors.ts'
import { ENGINES, type PoolOpenOptions, type Properties } from './face.ts'

/** In bytes and items, as native/store/block_store.h has them. */
const MAX_MULTIHASH_BYTES = 128
const MAX_BLOCK_BYTES = 4 << 20
export const MAX_BATCH = 65_536
export const BUCKETS = 4096
export const KEY_BYTES = 32
const MAX_VDEVS = 256

export function checkString(value: unknown, what: string): asserts value is string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) {
    throw new InvalidParametersError(`${what} must be a text without NUL and not empty`)
  }
}

export function checkStrings(values: unknown, what: string): asserts values is string[] {
  if (!Array.isArray(values)) throw new InvalidParametersError(`${what} must be an array`)
  for (const value of values) checkString(value, `each of ${what}`)
}

export function checkProperties(properties: unknown): asserts properties is Properties {
  if (typeof properties !== 'object' || properties == null) {
    throw new InvalidParametersError('properties must be an object')
  }
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value !== 'string') {
      throw new InvalidParametersError(`property ${name} must be a text, as zfsprops(7) spells it`)
    }
  }
}

export function checkInteger(value: unknown, what: string, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
    throw new InvalidParametersError(`${what} must be an integer from ${least} to ${most}`)
  }
}

export function checkVdevs(vdevs: unknown, fewest: number): void {
  checkStrings(vdevs, 'vdevs')
  if (vdevs.length < fewest || vdevs.length > MAX_VDEVS) {
    throw new InvalidParametersError(`a pool has 1 to ${MAX_VDEVS} vdevs`)
  }
  const relative = vdevs.find(path => !path.startsWith('/'))
  if (relative != null) throw new InvalidParametersError(`vdev ${relative} is no absolute path`)
}

export function checkPoolOptions(options: PoolOpenOptions): void {
  const { name, vdevs, engine = 'embedded' } = options
  checkString(name, 'the name of a pool')
  if (!ENGINES.includes(engine)) {
    throw new InvalidParametersError(`there is no engine '${engine}': ${ENGINES.join(', ')}`)
  }
  checkVdevs(vdevs, engine === 'embedded' ? 1 : 0)
  if (options.arcMaxBytes != null) {
    checkInteger(options.arcMaxBytes, 'arcMaxBytes', 0, Number.MAX_SAFE_INTEGER)
  }
}

export function checkKey(key: unknown): asserts key is Uint8Array | undefined {
  if (key !== undefined && !(isUint8Array(key) && key.length === KEY_BYTES)) {
    throw new InvalidParametersError(`a key to go on from is a Uint8Array of ${KEY_BYTES} bytes`)
  }
}

/** Back to back; as many as a batch takes. */
export function checkKeys(keys: unknown): asserts keys is Uint8Array {
  if (!isUint8Array(keys) || keys.length % KEY_BYTES !== 0) {
    throw new InvalidParametersError(`keys are a Uint8Array of ${KEY_BYTES} bytes each`)
  }
  if (keys.length > MAX_BATCH * KEY_BYTES) {
    throw new TooLargeError(
      `a batch has at most ${MAX_BATCH} items, not ${keys.length / KEY_BYTES}`
    )
  }
}

export function checkWrappingKey(key: unknown): asserts key is Uint8Array {
  if (!isUint8Array(key) || key.length !== KEY_BYTES) {
    throw new InvalidParametersError(`an encryption key is a Uint8Array of ${KEY_BYTES} bytes`)
  }
}

export function checkDurability(durability: unknown): boolean {
  if (durability !== 'txg' && durability !== 'flush') {
    throw new InvalidParametersError("durability must be 'txg' or 'flush'")
  }
  return durability === 'txg'
}

/** The addon copies these before it returns, so one pair serves all batches. */
let packedBytes = new Uint8Array(4096)
let packedLengths = new Uint8Array(128)

interface Packed {
  bytes: Uint8Array
  lengths: Uint8Array
}

export function checkMultihash(multihash: unknown, index = 0): asserts multihash is Uint8Array {
  const length = isUint8Array(multihash) ? multihash.length : 0
  if (length === 0 || length > MAX_MULTIHASH_BYTES) {
    throw new InvalidParametersError(
      `multihash ${index} must be a Uint8Array of 1 to ${MAX_MULTIHASH_BYTES} bytes`
    )
  }
}

export function packed(multihashes: Uint8Array[]): Packed {
  if (!Array.isArray(multihashes)) {
    throw new InvalidParametersError('multihashes must be an array')
  }
  const count = multihashes.length
  if (count > MAX_BATCH) {
    throw new TooLargeError(`a batch has at most ${MAX_BATCH} items, not ${count}`)
  }
  if (packedLengths.length < count) packedLengths = new Uint8Array(2 * count)
  let used = 0
  for (let i = 0; i < count; i++) {
    const multihash = multihashes[i]
    checkMultihash(multihash, i)
    const { length } = multihash
    if (used + length > packedBytes.length) {
      const larger = new Uint8Array(Math.max(2 * packedBytes.length, 40 * count))
      larger.set(packedBytes)
      packedBytes = larger
    }
    packedBytes.set(multihash, used)
    packedLengths[i] = length
    used += length
  }
  return { bytes: packedBytes.subarray(0, used), lengths: packedLengths.subarray(0, count) }
}

/** A copy of the array, whose elements stay what they are while the addon reads them. */
export function checkedBlocks(blocks: Uint8Array[], count: number): Uint8Array[] {
  if (!Array.isArray(blocks) || blocks.length !== count) {
    throw new InvalidParametersError('there must be as many blocks as multihashes')
  }
  const copy = blocks.slice()
  for (let i = 0; i < count; i++) {
    const block = copy[i]
    if (!isUint8Array(block)) {
      throw new InvalidParametersError(`block ${i} must be a Uint8Array`)
    }
    if (block.length > MAX_BLOCK_BYTES) {
      throw new TooLargeError(
        `block ${i} has ${block.length} bytes; the most is ${MAX_BLOCK_BYTES}`
      )
    }
    // `resizable` is undefined for a SharedArrayBuffer.
    const memory = block.buffer as ArrayBuffer
    if (memory.resizable !== false || memory.detached) {
      throw new InvalidParametersError(
        `block ${i} must be backed by an ArrayBuffer that is not detached, shared or resizable`
      )
    }
  }
  return copy
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}
