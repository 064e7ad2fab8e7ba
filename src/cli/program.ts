import { Command, Option } from 'commander'
import { addAdd } from './commands/add.ts'
import { addBlock } from './commands/block.ts'
import { addCar } from './commands/car.ts'
import { addCat } from './commands/cat.ts'
import { addCluster } from './commands/cluster.ts'
import { addDaemon } from './commands/daemon.ts'
import { addDag } from './commands/dag.ts'
import { addGet } from './commands/get.ts'
import { addIndex } from './commands/index.ts'
import { addInit } from './commands/init.ts'
import { addKubo } from './commands/kubo.ts'
import { addLs } from './commands/ls.ts'
import { addNode } from './commands/node.ts'
import { addPin } from './commands/pin.ts'
import { addPinset } from './commands/pinset.ts'
import { addPool } from './commands/pool.ts'
import { addRefs } from './commands/refs.ts'
import { addRepo } from './commands/repo.ts'
import { addSnapshot } from './commands/snapshot.ts'
import { ENGINES } from '../native.ts'
import type { Group } from './group.ts'

/** In the order of the help. What is heavy is loaded by the actions, not here. */
const groups = [
  addInit,
  addDaemon,
  addAdd,
  addGet,
  addCat,
  addLs,
  addCar,
  addBlock,
  addDag,
  addRefs,
  addPin,
  addPinset,
  addRepo,
  addIndex,
  addSnapshot,
  addPool,
  addKubo,
  addCluster,
  addNode
]

export function createProgram(signal: AbortSignal): Command {
  const program = new Command('ipfs-zfs')
    .description('IPFS storage on OpenZFS')
    .option('--repo <path>', 'the repo; default: IPFS_ZFS_PATH, else ~/.ipfs-zfs')
    .addOption(
      new Option(
        '--engine <engine>',
        'whose ZFS; default: IPFS_ZFS_ENGINE, else what the repo was made with'
      ).choices(ENGINES)
    )
    .option('--json', 'results as JSON, one object a line; errors too')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    // Failures are told in one place, as JSON when that is wanted.
    .configureOutput({ outputError: () => {} })
  const group: Group = { program, signal }
  for (const add of groups) add(group)
  return program
}
