/** Damages a pool file: finds bytes in it and flips some of them, with the pool closed. */
import { open } from 'node:fs/promises'

const CHUNK = 4 * 1024 * 1024

/** Where each of `needles` begins in the file, all of its places; the file is read once. */
export async function findInFile(path: string, needles: Uint8Array[]): Promise<number[][]> {
  const file = await open(path, 'r')
  const places: number[][] = needles.map(() => [])
  try {
    const { size } = await file.stat()
    const chunk = Buffer.alloc(CHUNK + Math.max(...needles.map(({ byteLength }) => byteLength)))
    const zeros = Buffer.alloc(chunk.byteLength)
    for (let at = 0; at < size; at += CHUNK) {
      const { bytesRead } = await file.read(chunk, 0, chunk.byteLength, at)
      const read = chunk.subarray(0, bytesRead)
      if (read.equals(zeros.subarray(0, bytesRead))) continue
      for (const [i, needle] of needles.entries()) {
        let found = read.indexOf(needle)
        while (found >= 0 && found < CHUNK) {
          places[i]?.push(at + found)
          found = read.indexOf(needle, found + 1)
        }
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
