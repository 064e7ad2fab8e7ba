/** Repos in folders of their own, for tests: made quickly, and gone at the end. */
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openRepo } from '../src/index.ts'
import type { Repo, RepoInit } from '../src/index.ts'

export const MIB = 1024 * 1024

/** IPFS_ZFS_ENGINE=kernel runs the same tests on the kernel's ZFS (test/kernel). */
export const onKernel = process.env['IPFS_ZFS_ENGINE'] === 'kernel'

const left = new Set<string>()

/** A test that failed took nothing away. */
process.on('exit', () => {
  for (const folder of left) {
    rmSync(folder, { recursive: true, force: true })
  }
})

/** A new folder, and what takes it away. */
export async function tempFolder(): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'ipfs-zfs-test-'))
  left.add(folder)
  const remove = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true })
    left.delete(folder)
  }
  return { folder, remove }
}

export interface TempRepo {
  repo: Repo
  folder: string
  /** Closes the repo and takes the folder away. */
  remove: () => Promise<void>
  /** Closes the repo and opens it again. */
  reopen: (init?: Partial<RepoInit>) => Promise<Repo>
}

/** A repo on a sparse file of 512 MiB, unless `init` says otherwise. */
export async function tempRepo(init: Partial<RepoInit> = {}): Promise<TempRepo> {
  const { folder, remove } = await tempFolder()
  const { pool, ...rest } = init
  const first = { path: folder, create: true, pool: { sizeBytes: 512 * MIB, ...pool }, ...rest }
  const temp: TempRepo = {
    repo: await openRepo(first).catch(async (error: unknown) => {
      await remove()
      throw error
    }),
    folder,
    remove: async () => {
      await temp.repo.close()
      await remove()
    },
    reopen: async (again = {}) => {
      await temp.repo.close()
      const { durability } = rest
      temp.repo = await openRepo({ path: folder, ...(durability && { durability }), ...again })
      return temp.repo
    }
  }
  return temp
}
