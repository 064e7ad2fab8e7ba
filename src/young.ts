import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** So much passes through buffers before those that are done with are collected. */
const EVERY_BYTES = 16 * 1024 * 1024

type Collect = (options: { type: 'minor' }) => void

let collect: Collect | undefined
let bytes = 0

function collector(): Collect {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as Collect
  setFlagsFromString('--no-expose-gc')
  return gc
}

/**
 * Tells that so many bytes went through buffers that are short-lived. V8 counts the bytes of all
 * buffers, and after each 64 MiB of them it marks the whole heap, though nearly all died young: that
 * was half of the cost of a warm read of 256 KiB. A collection of the young alone every 16 MiB takes
 * a quarter of a millisecond and keeps it from that.
 */
export function passedThroughBuffers(count: number): void {
  bytes += count
  if (bytes >= EVERY_BYTES) {
    bytes = 0
    collect ??= collector()
    collect({ type: 'minor' })
  }
}
