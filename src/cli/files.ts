import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

const chunkBytes = 256 * 1024

/** Opens the file when it is read, not before; `-` is standard input. */
export async function* chunksOf(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (path === '-') yield* process.stdin
  else yield* createReadStream(path, { highWaterMark: chunkBytes, signal })
}

/** Makes something under a name of its own and moves it to `path` once it is whole. */
export async function inPlace(
  path: string,
  make: (temporary: string) => Promise<void>
): Promise<void> {
  const temporary = join(dirname(path), `.ipfs-zfs-${randomBytes(8).toString('hex')}`)
  try {
    await make(temporary)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
