/** Damages a pool file: finds bytes in it and flips some of them, with the pool closed. */
import { open } from 'node:fs/promises'

const CHUNK = 32 * 1024 * 1024

/** Where `needle` begins in the file, all of its places. */
export async function findInFile(path: string, needle: Uint8Array): Promise<number[]> {
  const file = await open(path, 'r')
  const places: number[] = []
  try {
    const { size } = await file.stat()
    const chunk = Buffer.alloc(CHUNK + needle.byteLength)
    for (let at = 0; at < size; at += CHUNK) {
      const { bytesRead } = await file.read(chunk, 0, chunk.byteLength, at)
      const read = chunk.subarray(0, bytesRead)
      let found = read.indexOf(needle)
      while (found >= 0 && found < CHUNK) {
        places.push(at + found)
        found = read.indexOf(needle, found + 1)
      }
    }
  } finally {
    await file.close()
  }
  return places
}

/** Inverts `length` bytes at each place. */
export async function flipBytes(path: string, places: number[], length = 16): Promise<void> {
  const file = await open(path, 'r+')
  try {
    for (const place of places) {
      const bytes = Buffer.alloc(length)
      await file.read(bytes, 0, length, place)
      await file.write(
        bytes.map(byte => byte ^ 0xff),
        0,
        length,
        place
      )
    }
    await file.sync()
  } finally {
    await file.close()
  }
}
