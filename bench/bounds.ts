import { createHash } from 'node:crypto'
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** The least that any store must spend on a block, measured on this machine now: µs per block. */
export interface Bounds {
  sha256: number
  memoryCopy: number
  /** A sequential buffered write of 128 MiB with one fdatasync at the end. */
  deviceWrite: number
}

const PASS_BYTES = 128 * 1024 * 1024

export function bounds(sizeBytes: number, folder: string): Bounds {
  const source = Buffer.alloc(PASS_BYTES, 0xa5)
  const target = Buffer.alloc(PASS_BYTES, 1)
  const count = PASS_BYTES / sizeBytes
  const each = (run: (from: number) => void): number => {
    const start = performance.now()
    for (let at = 0; at < PASS_BYTES; at += sizeBytes) run(at)
    return ((performance.now() - start) * 1000) / count
  }
  const file = openSync(join(folder, 'device-bound'), 'w')
  const result = {
    sha256: each(at =>
      createHash('sha256')
        .update(source.subarray(at, at + sizeBytes))
        .digest()
    ),
    memoryCopy: each(at => source.copy(target, at, at, at + sizeBytes)),
    deviceWrite: each(at => {
      writeSync(file, source, at, sizeBytes)
      if (at + sizeBytes === PASS_BYTES) fdatasyncSync(file)
    })
  }
  closeSync(file)
  return result
}
