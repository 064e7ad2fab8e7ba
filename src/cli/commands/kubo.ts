import { copyFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import type { Program } from '../../kubo/build.ts'
import type { Door } from '../../kubo/door.ts'
import { showChanges } from '../changes.ts'
import type { Context } from '../context.ts'
import { contextOf, type Group } from '../group.ts'
import { startProgress } from '../progress.ts'
import { showBytes } from '../units.ts'

interface DoorOptions {
  datastore?: string
  datastoreToken?: string
  datastoreCa?: string
}

interface InitOptions extends DoorOptions {
  ipfs?: string
  layout: 'mount' | 'root'
  namespace?: string
  profile?: string[]
}

export function addKubo(group: Group): void {
  const kubo = group.program
    .command('kubo')
    .description('a Kubo that keeps its blocks and pins in this repo; its own is at IPFS_PATH')
  kubo
    .command('build')
    .description('build Kubo with our datastore in it; needs Go')
    .option('--output <file>', 'a copy of it; without, only its path in the cache is printed')
    .action(({ output }: { output?: string }) => build(contextOf(group), output))
  withDoorOptions(
    kubo
      .command('init')
      .description('make a Kubo repo at IPFS_PATH')
      .option('--ipfs <file>', 'the Kubo to use; default: the one that kubo build makes')
      .option('--layout <layout>', 'mount: blocks and pins here; root: everything', layout, 'mount')
      .option('--namespace <name>', "the data's name; default: kubo- and 12 random hex digits")
      .option('--profile <name>', "a profile of Kubo's beside zfs; again for more", collect)
  ).action((options: InitOptions) => init(contextOf(group), options))
  withDoorOptions(
    kubo
      .command('configure')
      .description('set what fits ZFS in the Kubo repo at IPFS_PATH; see docs/kubo.md')
      .option('--dry-run', 'only show what would change')
  ).action((options: DoorOptions & { dryRun?: boolean }) => configure(contextOf(group), options))
  withDoorOptions(
    kubo
      .command('migrate')
      .description('move the blocks and pins of a stopped Kubo from IPFS_PATH into this repo')
      .option('-q, --quiet', 'no progress')
  ).action((options: DoorOptions & { quiet?: boolean }) => migrate(contextOf(group), options))
}

function withDoorOptions(command: Command): Command {
  return command
    .option('--datastore <address>', 'of the daemon: unix:PATH or host:port; default: the repo')
    .option('--datastore-token <file>', 'the token of a daemon on a host and port')
    .option('--datastore-ca <file>', 'TLS: the certificates to trust, in PEM')
}

function doorOf({ datastore, datastoreToken, datastoreCa }: DoorOptions): Door | undefined {
  return datastore == null
    ? undefined
    : {
        address: datastore,
        ...(datastoreToken != null && { tokenFile: resolve(datastoreToken) }),
        ...(datastoreCa != null && { caFile: resolve(datastoreCa) })
      }
}

async function built({ out, signal }: Context, program: Program): Promise<string> {
  const { buildProgram } = await import('../../kubo/build.ts')
  const onBuild = (): void => {
    if (!out.json) process.stderr.write('building, which takes minutes the first time …\n')
  }
  return await buildProgram(program, { signal, onBuild })
}

async function build(context: Context, output?: string): Promise<void> {
  const path = await built(context, 'ipfs')
  const file = output == null ? path : resolve(output)
  if (output != null) await copyFile(path, file)
  await context.out.show({ path: file }, file)
}

async function init(context: Context, options: InitOptions): Promise<void> {
  const { kuboPath } = await import('../../kubo/config.ts')
  const { withDoor } = await import('../../kubo/door.ts')
  const { initKubo } = await import('../../kubo/init.ts')
  const ipfs = options.ipfs == null ? await built(context, 'ipfs') : resolve(options.ipfs)
  const path = kuboPath()
  const { layout, namespace, profile = [] } = options
  const made = await withDoor(context.repo, doorOf(options), async door => {
    await initKubo({
      ipfs,
      path,
      door,
      layout,
      profiles: profile,
      signal: context.signal,
      ...(namespace != null && { namespace })
    })
    return { path, ipfs, datastore: door.address, layout }
  })
  const next = `next   ipfs-zfs daemon, and beside it: IPFS_PATH=${path} ${ipfs} daemon`
  await context.out.show(made, `repo   ${path}\ndata   ${made.datastore}\n${next}`)
}

async function configure(
  context: Context,
  options: DoorOptions & { dryRun?: boolean }
): Promise<void> {
  const { kuboPath } = await import('../../kubo/config.ts')
  const { greet, withDoor } = await import('../../kubo/door.ts')
  const { apply, plan } = await import('../../kubo/configure.ts')
  const dryRun = options.dryRun === true
  const changes = await withDoor(context.repo, doorOf(options), async door => {
    const planned = await plan(kuboPath(), door, await greet(door))
    if (!dryRun) await apply(planned.repo, planned.changes)
    return planned.changes
  })
  await context.out.show({ dryRun, changes }, showChanges(changes))
}

async function migrate(
  context: Context,
  options: DoorOptions & { quiet?: boolean }
): Promise<void> {
  const { kuboPath } = await import('../../kubo/config.ts')
  const { withDoor } = await import('../../kubo/door.ts')
  const { migrateKubo } = await import('../../kubo/migrate.ts')
  const program = await built(context, 'migrate')
  const path = kuboPath()
  const { out, signal } = context
  const progress = startProgress(out, { label: 'copy blocks', quiet: options.quiet })
  try {
    const { done, bytes } = await withDoor(context.repo, doorOf(options), door =>
      migrateKubo({
        program,
        path,
        door,
        signal,
        onProgress: ({ phase, bytes: soFar }) => {
          progress.phase(phase, 'bytes')
          progress.set(soFar)
        }
      })
    )
    progress.stop()
    const what = `${done.toLocaleString('en-US')} blocks, ${showBytes(bytes)}`
    const old = 'the old datastore is still in its folder; the old settings in config.before-zfs'
    await out.show({ path, blocks: done, bytes }, `${path}: ${what} moved and verified; ${old}`)
  } finally {
    progress.stop()
  }
}

function layout(value: string): 'mount' | 'root' {
  if (value === 'mount' || value === 'root') return value
  throw new InvalidArgumentError('Use mount or root.')
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value]
}
