/** What the tests ask IPFS daemons for, over Kubo's RPC. */
import { call, form, lines, send } from '../http/harness.ts'

export async function ask<T>(port: number, command: string): Promise<T> {
  const answer = await call(port, command)
  if (answer.status !== 200) throw new Error(`${command}: ${String(answer.body)}`)
  return JSON.parse(answer.body.toString()) as T
}

/** Adds a folder of files and gives its CID; it is not pinned. */
export async function addFolder(port: number, files: Record<string, Uint8Array>): Promise<string> {
  const { body, headers } = form(
    Object.entries(files).map(([name, bytes]) => ({ name: `d/${name}`, body: bytes }))
  )
  const path = '/api/v0/add?cid-version=1&pin=false&chunker=size-65536'
  const answer = await send(port, { path, headers, body })
  const added = lines<{ Name: string; Hash: string }>(answer)
  const root = added.find(({ Name }) => Name === 'd')
  if (root == null) throw new Error(`add: ${String(answer.body)}`)
  return root.Hash
}

/** All CIDs of a DAG, by what this daemon has; fails when a block is not there. */
export async function localDag(port: number, root: string): Promise<string[]> {
  const answer = await call(port, `refs?arg=${root}&recursive=true&unique=true&offline=true`)
  const refs = lines<{ Ref: string; Err: string }>(answer)
  const failed = refs.find(({ Err }) => Err !== '')
  if (answer.status !== 200 || answer.broken || failed != null) {
    throw new Error(`refs ${root}: ${failed?.Err ?? String(answer.body)}`)
  }
  return [root, ...refs.map(({ Ref }) => Ref)]
}

export async function hasBlock(port: number, cid: string): Promise<boolean> {
  return (await call(port, `block/stat?arg=${cid}&offline=true`)).status === 200
}

/** How many of the CIDs a daemon has. */
export async function countBlocks(port: number, cids: string[]): Promise<number> {
  let count = 0
  for (const cid of cids) if (await hasBlock(port, cid)) count++
  return count
}

/** The type of a pin; undefined: it is not pinned so. */
export async function pinType(
  port: number,
  cid: string,
  type: string
): Promise<string | undefined> {
  const answer = await call(port, `pin/ls?arg=${cid}&type=${type}&stream=true`)
  return answer.status === 200 ? lines<{ Type: string }>(answer)[0]?.Type : undefined
}
