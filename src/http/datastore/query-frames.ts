import type { Entry } from './query-entries.ts'

/**
 * How a query is answered: frames, and the last one says how it ended. A stream that ends without
 * such a frame was cut off.
 *
 *   1  key                length of key (16 bits), key
 *   2  key and size       length of key (16), size (32), key
 *   3  key and value      length of key (16), length of value (32), key, value
 *   0  complete           number of entries (64 bits)
 *   255  failed           length (32 bits), JSON with code and message
 */
const KEY = 1
const KEY_SIZE = 2
const KEY_VALUE = 3
const COMPLETE = 0
const FAILED = 255

/** Two parts when there is a value, so that large ones are not copied. */
export function entryFrame({ key, value, size }: Entry, keysOnly: boolean): Uint8Array[] {
  if (keysOnly && size == null) {
    const frame = Buffer.allocUnsafe(3 + key.byteLength)
    frame.writeUInt8(KEY)
    frame.writeUInt16BE(key.byteLength, 1)
    frame.set(key, 3)
    return [frame]
  }
  const frame = Buffer.allocUnsafe(7 + key.byteLength)
  frame.writeUInt8(keysOnly ? KEY_SIZE : KEY_VALUE)
  frame.writeUInt16BE(key.byteLength, 1)
  frame.writeUInt32BE((keysOnly ? size : value?.byteLength) ?? 0, 3)
  frame.set(key, 7)
  return keysOnly || value == null ? [frame] : [frame, value]
}

export function completeFrame(entries: number): Uint8Array {
  const frame = Buffer.alloc(9)
  frame.writeUInt8(COMPLETE)
  frame.writeBigUInt64BE(BigInt(entries), 1)
  return frame
}

export function failedFrame(body: object): Uint8Array {
  const json = Buffer.from(JSON.stringify(body))
  const frame = Buffer.alloc(5 + json.byteLength)
  frame.writeUInt8(FAILED)
  frame.writeUInt32BE(json.byteLength, 1)
  frame.set(json, 5)
  return frame
}
