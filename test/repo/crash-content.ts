/** What the child of the crash test writes: all of it follows from a seed and a number. */
import { createHash } from 'node:crypto'
import { Key } from 'interface-datastore'
import { blockOf, type Block } from '../blocks.ts'

const SIZES = [10, 200, 1024, 5000, 40_000, 65_536, 100_000, 262_144, 262_158, 1_000_000]

function bytesOf(what: string, length: number): Uint8Array {
  const digest = createHash('shake256', { outputLength: Math.min(length, 4096) })
  const some = digest.update(what).digest()
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += some.length) {
    bytes.set(some.subarray(0, Math.min(some.length, length - at)), at)
    some.writeUInt32LE(at, 0)
  }
  return bytes
}

export function crashBlock(seed: string, i: number): Block {
  return blockOf(bytesOf(`block ${seed} ${i}`, SIZES[i % SIZES.length] as number))
}

export function crashKey(i: number): Key {
  return new Key(`/rec/${i}`)
}

export function crashValue(seed: string, i: number): Uint8Array {
  return bytesOf(`value ${seed} ${i}`, 20 + (i % 500))
}
