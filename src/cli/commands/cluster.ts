import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Context } from '../context.ts'
import { showChanges } from '../changes.ts'
import { contextOf, type Group } from '../group.ts'

interface ConfigureOptions {
  cluster?: string
  rpc?: string
  tier?: string
  dryRun?: boolean
}

const STOCK_RPC = '/ip4/127.0.0.1/tcp/5001'

export function addCluster(group: Group): void {
  group.program
    .command('cluster')
    .description('an IPFS Cluster peer that pins in this repo')
    .command('configure')
    .description("set what fits ZFS in the peer's service.json, or write one; see docs/cluster.md")
    .option(
      '--cluster <path>',
      "the peer's folder; default: IPFS_CLUSTER_PATH, else ~/.ipfs-cluster"
    )
    .option(
      '--rpc <multiaddr>',
      `the daemon's RPC; default: where it listens now, else ${STOCK_RPC}`
    )
    .option('--tier <name>', 'a tag for the kind of storage, for example ssd')
    .option('--dry-run', 'only show what would change')
    .action((options: ConfigureOptions) => configure(contextOf(group), options))
}

async function configure(context: Context, options: ConfigureOptions): Promise<void> {
  const { apply, clusterFolder, plan } = await import('../../cluster/configure.ts')
  const { poolName } = await import('../../repo/config.ts')
  const folder = options.cluster == null ? clusterFolder() : resolve(options.cluster)
  const place = {
    rpc: options.rpc ?? (await rpcOf(context.repo)),
    pool: await poolName(context.repo),
    ...(options.tier != null && { tier: options.tier })
  }
  const planned = await plan(folder, place, process.env['CLUSTER_SECRET'])
  const dryRun = options.dryRun === true
  if (!dryRun) await apply(planned)
  const { file, isNew, changes } = planned
  const text = [
    ...(isNew
      ? [`${file}: ${dryRun ? 'would be new' : 'new'}, with an identity and a secret`]
      : []),
    showChanges(changes)
  ]
  await context.out.show({ dryRun, file, isNew, changes }, text.join('\n'))
}

/** The daemon writes there where it listens. */
async function rpcOf(repo: string): Promise<string> {
  const text = await readFile(join(repo, 'api'), 'utf8').catch(() => STOCK_RPC)
  return text.trim()
}
