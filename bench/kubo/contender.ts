import { join } from 'node:path'
import { Kubo, Rig, run } from '../../test/kubo/harness.ts'

/** A Kubo with its daemon, on one kind of datastore. */
export interface Contender {
  readonly name: string
  readonly kubo: Kubo
  /** Stops Kubo and, where there is one, the daemon under it, and forgets every cache. */
  cool: () => Promise<void>
  /** Starts what is under Kubo, if anything is. */
  warm: () => Promise<void>
  remove: () => Promise<void>
}

/** The page cache of the machine; the pool is a file too. Needs root. */
async function dropCaches(): Promise<void> {
  await run('sh', ['-c', 'sync; echo 3 > /proc/sys/vm/drop_caches'])
}

export async function zfs(ipfs: string): Promise<Contender> {
  const rig = await Rig.create('16G')
  await rig.start()
  const kubo = await rig.kubo(ipfs)
  await kubo.start('--offline')
  return {
    name: 'zfs',
    kubo,
    cool: async () => {
      await kubo.stop()
      await rig.stop()
      await dropCaches()
    },
    warm: async () => {
      await rig.start()
    },
    remove: async () => rig.remove()
  }
}

/** Kubo's own: `flatfs` with sync or without, `pebbleds`. */
export async function own(
  name: string,
  profile: string,
  ipfs: string,
  folder: string,
  sync: boolean
): Promise<Contender> {
  const kubo = new Kubo(ipfs, join(folder, name))
  await kubo.run('init', `--profile=test,${profile}`)
  await kubo.run('config', 'Provide.Strategy', 'all')
  if (profile === 'flatfs') {
    const spec = JSON.parse(await kubo.run('config', 'Datastore.Spec')) as FlatfsSpec
    for (const mount of spec.mounts) {
      if (mount.type === 'flatfs') mount.sync = sync
    }
    await kubo.run('config', '--json', 'Datastore.Spec', JSON.stringify(spec))
  }
  await kubo.start('--offline')
  return {
    name,
    kubo,
    cool: async () => {
      await kubo.stop()
      await dropCaches()
    },
    warm: async () => {},
    remove: async () => kubo.stop()
  }
}

interface FlatfsSpec {
  mounts: Array<{ type: string; sync?: boolean }>
}
