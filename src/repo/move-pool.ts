import { PoolInUseError, RepoMissingError } from '../errors.ts'
import type { Engine, Native } from '../native.ts'
import { readConfig, writeConfig, type RepoConfig } from './config.ts'

/**
 * Hands a repo's pool to an engine, and has the repo opened by it from now on. The kernel imports
 * it, to stay, and mounts its datasets; the embedded engine opens it once, to see that it can.
 */
export async function importPool(native: Native, folder: string, engine: Engine): Promise<string> {
  const config = await configOf(folder)
  const { name, vdevs } = config.pool
  if (engine === 'kernel') {
    await native.importPool(name, vdevs)
  } else if (!native.kernelHasPool(name, vdevs)) {
    await openAndClose(native, config)
  } else if (engine === 'embedded') {
    throw new PoolInUseError(
      `the pool ${name} is imported by this machine's kernel: run \`ipfs-zfs pool export\` first`
    )
  }
  await writeConfig(folder, { ...config, engine })
  return name
}

/** Takes a repo's pool out of whatever engine has it, so that another machine or engine may. */
export async function exportPool(native: Native, folder: string): Promise<string> {
  const config = await configOf(folder)
  const { name, vdevs } = config.pool
  await (native.kernelHasPool(name, vdevs) ? native.exportPool(name) : openAndClose(native, config))
  return name
}

/** What a crash left open is closed by this; PoolInUseError when a process has it open. */
async function openAndClose(native: Native, { pool }: RepoConfig): Promise<void> {
  const open = await native.openPool({ name: pool.name, vdevs: pool.vdevs, engine: 'embedded' })
  await open.close()
}

async function configOf(folder: string): Promise<RepoConfig> {
  const config = await readConfig(folder)
  if (config == null) {
    throw new RepoMissingError(`there is no repo at ${folder}: make one with \`ipfs-zfs init\``)
  }
  return config
}
