import { add } from './add.ts'
import { blockGet, blockPut, blockRm, blockStat } from './block.ts'
import { cat } from './cat.ts'
import type { Command } from './command.ts'
import { config, configShow } from './config.ts'
import { dagExport } from './dag-export.ts'
import { dagImport } from './dag-import.ts'
import { dagGet, dagPut, dagResolve } from './dag.ts'
import { get } from './get.ts'
import { ls } from './ls.ts'
import { id, shutdown, versionCommand } from './node-info.ts'
import { pinAdd, pinLs, pinRm, pinUpdate, pinVerify } from './pin.ts'
import { refs, refsLocal } from './refs.ts'
import { repoGc, repoStat, repoVerify, repoVersion } from './repo.ts'
import { resolve } from './resolve.ts'
import {
  swarmAddrs,
  swarmAddrsListen,
  swarmAddrsLocal,
  swarmConnect,
  swarmDisconnect,
  swarmPeers
} from './swarm.ts'
import {
  datasetList,
  propertyGet,
  propertySet,
  scrubStart,
  scrubStatus,
  scrubStop,
  zfsStatus
} from './zfs-pool.ts'
import {
  snapshotCreate,
  snapshotDestroy,
  snapshotList,
  snapshotRollback,
  zfsRepoCompact,
  zfsRepoStat,
  zfsRepoVerify
} from './zfs.ts'
import { indexCheck, indexCompact, indexDump, indexStat } from './zfs-index.ts'

const commands: Command[] = [
  ...[add, cat, get, ls, refs, refsLocal],
  ...[blockGet, blockPut, blockRm, blockStat],
  ...[dagExport, dagGet, dagImport, dagPut, dagResolve],
  ...[pinAdd, pinLs, pinRm, pinUpdate, pinVerify],
  ...[repoGc, repoStat, repoVerify, repoVersion],
  ...[config, configShow, id, resolve, shutdown, versionCommand],
  ...[swarmAddrs, swarmAddrsListen, swarmAddrsLocal, swarmConnect, swarmDisconnect, swarmPeers],
  ...[snapshotCreate, snapshotDestroy, snapshotList, snapshotRollback],
  ...[indexCheck, indexCompact, indexDump, indexStat],
  ...[zfsRepoCompact, zfsRepoStat, zfsRepoVerify, zfsStatus],
  ...[datasetList, propertyGet, propertySet, scrubStart, scrubStatus, scrubStop]
]

const byName = new Map(commands.map(command => [command.name, command]))

/** The command of a URL's path. What follows a command's name there is its first argument. */
export function commandAt(path: string): { command: Command; pathArgs: string[] } | undefined {
  const exact = byName.get(path)
  if (exact != null) return { command: exact, pathArgs: [] }
  const slash = path.lastIndexOf('/')
  const command = byName.get(path.slice(0, Math.max(slash, 0)))
  return command == null ? undefined : { command, pathArgs: [path.slice(slash + 1)] }
}
