import { resolve } from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'
import type { Layout } from '../../native.ts'
import { RepoExistsError } from '../../errors.ts'
import { LAYOUTS, readConfig } from '../../repo/config.ts'
import type { PoolInit, Repo, RepoInit } from '../../repo/types.ts'
import { contextOf, type Group } from '../group.ts'
import { fields } from '../table.ts'
import { parseBytes, showBytes } from '../units.ts'

export interface InitOptions {
  vdev?: string[]
  layout?: Layout
  size?: number
  name?: string
  ashift?: number
  shards?: number
}

export function addInit(group: Group): void {
  addInitOptions(
    group.program
      .command('init')
      .description('make a repo: a ZFS pool on files or disks, and the datasets in it')
  ).action(async (options: InitOptions) => {
    const context = contextOf(group)
    await refuseExisting(context.repo)
    const { openRepo } = await import('../../index.ts')
    const repo = await openRepo(initOf(context.repo, options))
    try {
      const made = await describe(repo, options)
      await context.out.show(made, textOf(made))
    } finally {
      await repo.close()
    }
  })
}

export function addInitOptions(command: Command): Command {
  return command
    .option('--vdev <path>', 'a file or a disk; again for more; default: pool.img', collect)
    .addOption(new Option('--layout <layout>', 'default: stripe').choices(LAYOUTS))
    .option('--size <size>', 'of each file that is made, sparse; default: 100G', size)
    .option('--name <name>', "the pool's name; default: ipfs- and 12 random hex digits")
    .option('--ashift <bits>', 'log 2 of the smallest write; default: 12', wholeNumber)
    .option('--shards <count>', 'how many datasets hold blocks; default: 4', wholeNumber)
}

export function initOf(path: string, options: InitOptions): RepoInit {
  const { vdev, layout, size, name, ashift, shards } = options
  const pool: PoolInit = {
    ...(vdev != null && { vdevs: vdev.map(given => resolve(given)) }),
    ...(layout != null && { layout }),
    ...(size != null && { sizeBytes: size }),
    ...(name != null && { name }),
    ...(ashift != null && { ashift })
  }
  return { path, create: true, pool, ...(shards != null && { shards }) }
}

export async function repoExists(path: string): Promise<boolean> {
  return (await readConfig(path)) != null
}

async function refuseExisting(path: string): Promise<void> {
  if (!(await repoExists(path))) return
  throw new RepoExistsError(`there is a repo at ${path} already; choose another --repo`)
}

interface Made {
  path: string
  pool: string
  layout: Layout
  vdevs: string[]
  maxBytes: number
  shards: number
}

async function describe(repo: Repo, options: InitOptions): Promise<Made> {
  const { path, maxBytes, pool, datasets } = await repo.stat()
  return {
    path,
    pool: pool.name,
    layout: options.layout ?? 'stripe',
    vdevs: leavesOf(pool.root),
    maxBytes,
    shards: datasets.filter(({ name }) => /\/shard-\d+$/.test(name)).length
  }
}

interface Vdev {
  name: string
  children: Vdev[]
}

function leavesOf({ name, children }: Vdev): string[] {
  return children.length === 0 ? [name] : children.flatMap(leavesOf)
}

function textOf(made: Made): string {
  return fields([
    ['repo', made.path],
    ['pool', `${made.pool} (${made.layout})`],
    ['on', made.vdevs.join(', ')],
    ['holds', `${showBytes(made.maxBytes)}, in ${made.shards} shards`],
    ['next', 'ipfs-zfs add PATH, or ipfs-zfs daemon']
  ])
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value]
}

export function size(value: string): number {
  try {
    return parseBytes(value)
  } catch {
    throw new InvalidArgumentError('Write for example 512M or 10G.')
  }
}

function wholeNumber(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError('A whole number is needed.')
  return Number(value)
}
