/** What flatness.ts asks of a node: this one in its own process, and a real Kubo beside it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { RpcClient } from '../../src/client/rpc.ts'
import { multipart } from '../../src/client/multipart.ts'
import { buildProgram } from '../../src/kubo/build.ts'
import { keyBytes, packKeys, type PinCatalog } from '../../src/pins/catalog.ts'
import { blockKey } from '../../src/pins/node.ts'
import { writeCar } from '../../src/unixfs/car-writer.ts'
import { KuboDaemon } from '../../test/cluster/daemons.ts'
import { firstLine } from '../../test/kubo/harness.ts'
import { drain, withFreshRepo, type Block } from './fresh-repo.ts'

export interface Subject {
  name: string
  put(blocks: Block[]): Promise<void>
  /** Recursively. */
  pin(cid: CID): Promise<void>
  /** Stores and pins each; there may be many. */
  fill(blocks: Block[]): Promise<void>
  unpin(cid: CID): Promise<void>
  isPinned(cid: CID): Promise<boolean>
  gc(): Promise<void>
  /** User and system time so far, in microseconds. */
  cpu(): Promise<number>
}

export async function withOurs(work: (subject: Subject) => Promise<void>): Promise<void> {
  await withFreshRepo(async ({ blockstore, catalog }, pins) => {
    const put = async (blocks: Block[]) => void (await drain(blockstore.putMany(blocks)))
    await work({
      name: 'ipfs-zfs',
      put,
      pin: async cid => pins.add(cid),
      fill: async blocks => {
        await put(blocks)
        const cids = blocks.map(({ cid }) => cid)
        await pins.add(cids[0] as CID)
        await pinLikeFirst(catalog, cids)
      },
      unpin: async cid => pins.rm(cid),
      isPinned: async cid => (await pins.isPinned(cid)) != null,
      gc: async () => void (await drain(pins.gc())),
      cpu: async () => {
        const { user, system } = process.cpuUsage()
        return user + system
      }
    })
  })
}

/** Raw leaves: the rows that `pins.add` left of the first are written for all, which is quicker. */
async function pinLikeFirst(catalog: PinCatalog, cids: CID[]): Promise<void> {
  const keys = packKeys(cids.map(cid => blockKey(cid.multihash.bytes)))
  const rows = (['pins', 'refs'] as const).map(async family => {
    const [value] = await catalog.get(family, keys.subarray(0, keyBytes))
    return { family, keys, values: new Float64Array(cids.length).fill(value as number) }
  })
  await catalog.apply(await Promise.all(rows))
}

/** With its own datastores as `ipfs init` makes them; the cost of its HTTP is in its figures. */
export async function withKubo(work: (subject: Subject) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ipfs-zfs-bench-kubo-'))
  const ipfs = await buildProgram('ipfs')
  const kubo = await KuboDaemon.make(ipfs, folder)
  const env = { ...process.env, IPFS_PATH: kubo.path }
  const daemon = spawn(ipfs, ['daemon', '--offline'], { env })
  try {
    const isReady = (line: string) => (line.includes('Daemon is ready') ? true : undefined)
    await firstLine(daemon, isReady, () => '')
    await work(kuboSubject(new RpcClient({ host: '127.0.0.1', port: kubo.rpc }), daemon))
  } finally {
    daemon.kill()
    await once(daemon, 'close')
    await rm(folder, { recursive: true, force: true })
  }
}

function kuboSubject(rpc: RpcClient, daemon: ChildProcess): Subject {
  const load = async (blocks: Block[], pinned: boolean) => {
    const roots = pinned ? blocks.map(({ cid }) => cid) : blocks.slice(0, 1).map(({ cid }) => cid)
    const pieces: Uint8Array[] = []
    for await (const piece of writeCar(roots, each(blocks))) pieces.push(piece)
    const body = multipart([{ kind: 'file', name: 'car', content: Buffer.concat(pieces) }])
    const answer = await rpc.open('dag/import', { options: { 'pin-roots': pinned }, body })
    await drain(answer.bytes())
  }
  return {
    name: 'Kubo',
    put: async blocks => load(blocks, false),
    fill: async blocks => load(blocks, true),
    pin: async cid => void (await rpc.json('pin/add', { args: [String(cid)] })),
    unpin: async cid => void (await rpc.json('pin/rm', { args: [String(cid)] })),
    isPinned: async cid =>
      rpc.json('pin/ls', { args: [String(cid)] }).then(
        () => true,
        () => false
      ),
    gc: async () => void (await drain((await rpc.open('repo/gc', {})).bytes())),
    cpu: async () => {
      // proc_pid_stat(5): fields 14 and 15, in hundredths of a second; the name may have spaces
      const stat = await readFile(`/proc/${daemon.pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return (Number(fields[11]) + Number(fields[12])) * 10_000
    }
  }
}

async function* each<T>(items: T[]): AsyncGenerator<T> {
  yield* items
}
