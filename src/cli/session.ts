import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAddress, type RpcAddress } from '../client/address.ts'
import { RpcClient } from '../client/rpc.ts'
import type { Context } from './context.ts'

/** The RPC of the repo's node: a daemon's, or our own for the length of a command. */
export interface Session {
  readonly rpc: RpcClient
  /** False: no other process uses the repo, and there is no network. */
  readonly daemon: boolean
}

interface ConfigAnswer {
  Datastore?: { Path?: string }
}

/** A daemon that is busy may take its time to say who it is. */
const answerMs = 10_000

/** Runs against the daemon that holds the repo, or opens the repo in this process. */
export async function withSession<T>(
  context: Context,
  work: (session: Session) => Promise<T>
): Promise<T> {
  const address = await daemonAddress(context.repo)
  if (address != null) return await useRpc(address, rpc => work({ rpc, daemon: true }))
  return await withOwnNode(context.repo, socketPath =>
    useRpc({ socketPath }, rpc => work({ rpc, daemon: false }))
  )
}

/** Where a living daemon of this repo listens. */
export async function daemonAddress(repo: string): Promise<RpcAddress | undefined> {
  const text = await readFile(join(repo, 'api'), 'utf8').catch(() => undefined)
  const address = text == null ? undefined : parseAddress(text)
  if (address == null) return undefined
  return (await serves(address, repo)) ? address : undefined
}

/** The file may be old, and the port another node's by now. */
async function serves(address: RpcAddress, repo: string): Promise<boolean> {
  return await useRpc(address, async rpc => {
    try {
      const signal = AbortSignal.timeout(answerMs)
      const { Datastore } = await rpc.json<ConfigAnswer>('config/show', { signal })
      return (await realpath(Datastore?.Path ?? '')) === (await realpath(repo))
    } catch {
      return false
    }
  })
}

async function useRpc<T>(address: RpcAddress, work: (rpc: RpcClient) => Promise<T>): Promise<T> {
  const rpc = new RpcClient(address)
  try {
    return await work(rpc)
  } finally {
    rpc.close()
  }
}

/** The same RPC server as the daemon's, on a socket that only this user can reach. */
async function withOwnNode<T>(
  repoPath: string,
  work: (socketPath: string) => Promise<T>
): Promise<T> {
  const { openRepo } = await import('../index.ts')
  const { startNode } = await import('../node/node.ts')
  const repo = await openRepo({ path: repoPath })
  try {
    const folder = await mkdtemp(join(tmpdir(), 'ipfs-zfs-'))
    try {
      const socketPath = join(folder, 'rpc')
      const node = await startNode({ repo, rpc: { socketPath }, libp2p: false })
      try {
        return await work(socketPath)
      } finally {
        await node.stop()
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  } finally {
    await repo.close()
  }
}
