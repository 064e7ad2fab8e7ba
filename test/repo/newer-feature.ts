/** Makes a closed pool look like one of a later ZFS: with a feature in use that none knows yet. */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'

/** In the labels of any pool that is made today; and what it is turned into, of the same length. */
const KNOWN = 'com.delphix:hole_birth'
export const NEWER = 'org.example:hole_birth'

const KIB = 1024
const LABEL_BYTES = 256 * KIB
/** Within a label: the pool's configuration, and at its end the checksum of it and its place. */
const CONFIG_OFFSET = 16 * KIB
const CONFIG_BYTES = 112 * KIB
const CHECKSUM_BYTES = 32

/** Renames the feature in all four labels of a vdev's file. Twice changes nothing more. */
export async function useNewerFeature(path: string, from = KNOWN, to = NEWER): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const { size } = await file.stat()
    const end = size - (size % LABEL_BYTES)
    for (const label of [0, LABEL_BYTES, end - 2 * LABEL_BYTES, end - LABEL_BYTES]) {
      const at = label + CONFIG_OFFSET
      const config = Buffer.alloc(CONFIG_BYTES)
      await file.read(config, 0, CONFIG_BYTES, at)
      const name = config.indexOf(from)
      if (name < 0) throw new Error(`${path} has no ${from} in its label at ${label}`)
      config.write(to, name, 'latin1')
      seal(config, at)
      await file.write(config, 0, CONFIG_BYTES, at)
    }
    await file.sync()
  } finally {
    await file.close()
  }
}

/** And back. */
export async function useKnownFeature(path: string): Promise<void> {
  await useNewerFeature(path, NEWER, KNOWN)
}

/** SHA-256 over the whole with the place instead of the checksum, as four 64-bit words. */
function seal(config: Buffer, offset: number): void {
  const checksum = config.subarray(CONFIG_BYTES - CHECKSUM_BYTES)
  checksum.fill(0)
  checksum.writeBigUInt64LE(BigInt(offset))
  createHash('sha256').update(config).digest().swap64().copy(checksum)
}
