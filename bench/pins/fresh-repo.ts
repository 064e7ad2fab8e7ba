/** What the benchmarks of pins begin with: an empty repo with pins, and blocks to put there. */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { openRepo, type Repo, type RepoInit } from '../../src/index.ts'
import { Pins } from '../../src/pins/pins.ts'

export interface Block {
  cid: CID
  bytes: Uint8Array
}

/** Gone again once `work` is done. */
export async function withFreshRepo(
  work: (repo: Repo, pins: Pins) => Promise<void>,
  options: Pick<RepoInit, 'arcMaxBytes'> = {}
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ipfs-zfs-bench-pins-'))
  const repo = await openRepo({
    ...options,
    path: folder,
    create: true,
    durability: 'flush',
    pool: { sizeBytes: 16 * 2 ** 30 }
  })
  try {
    const { catalog, pinBlocks, datastore: records } = repo
    await work(repo, new Pins({ catalog, blocks: pinBlocks, records }))
  } finally {
    await repo.close()
    await rm(folder, { recursive: true, force: true })
  }
}

export function block(codec: number, bytes: Uint8Array): Block {
  const digest = Digest.create(0x12, createHash('sha256').update(bytes).digest())
  return { cid: CID.createV1(codec, digest), bytes }
}

export function leaf(text: string): Block {
  return block(raw.code, new TextEncoder().encode(text))
}

/** Members of a pinset. */
export function member(i: number): Block {
  return leaf(`member ${i}`)
}

export function* membersTo(count: number): Generator<Block> {
  for (let i = 0; i < count; i++) yield member(i)
}

export function* cidsTo(count: number): Generator<CID> {
  for (const { cid } of membersTo(count)) yield cid
}

export async function drain(source: AsyncGenerator<unknown>): Promise<number> {
  let count = 0
  while ((await source.next()).done !== true) count++
  return count
}
