import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Door } from './door.ts'
import { KuboRepoExistsError } from './errors.ts'
import { runProgram } from './run.ts'

export interface KuboInit {
  /** The Kubo with our datastore in it. */
  ipfs: string
  /** Where its repo will be. */
  path: string
  door: Door
  /** `mount`: /blocks and /pins with us, the rest in a local store. `root`: everything with us. */
  layout: 'mount' | 'root'
  /** Default: a random one. */
  namespace?: string
  /** Profiles of Kubo beside ours. */
  profiles: string[]
  signal?: AbortSignal
}

/** Makes a Kubo repo whose data is behind the door: `ipfs init --profile=zfs`. */
export async function initKubo(init: KuboInit): Promise<void> {
  const { ipfs, path, door, layout, namespace, profiles, signal } = init
  const exists = await access(join(path, 'config')).then(
    () => true,
    () => false
  )
  if (exists) {
    throw new KuboRepoExistsError(
      `there is a Kubo repo at ${path} already: see ipfs-zfs kubo configure and kubo migrate`
    )
  }
  await runProgram(ipfs, ['init', `--profile=${['zfs', ...profiles].join(',')}`], {
    env: {
      IPFS_PATH: path,
      IPFS_ZFS_DATASTORE: door.address,
      IPFS_ZFS_TOKEN_FILE: door.tokenFile,
      IPFS_ZFS_CA_FILE: door.caFile,
      IPFS_ZFS_LAYOUT: layout,
      IPFS_ZFS_NAMESPACE: namespace
    },
    ...(signal != null && { signal })
  })
}
