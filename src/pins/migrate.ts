import { Key, type Datastore } from 'interface-datastore'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { UnknownCodecError } from '../unixfs/blocks.ts'
import type { Pins } from './pins.ts'
import type { PinMode } from './types.ts'

/** Pins before they were counted: one record each, JSON of mode and name. */
const oldPrefix = '/ipfs-zfs/pins/'
/** There when the blocks of the repo are all known to the pins. */
const marker = new Key('/ipfs-zfs/pins-counted')

export interface Migration {
  moved: number
  /** Left as they are, in the old records: their DAGs are not all here. */
  failed: Array<{ cid: string; why: string }>
}

/**
 * Counts the pins that an older version made in this repo, and notes its other blocks as never
 * pinned. It can be stopped at any moment and goes on at the next opening; what is done already is
 * one lookup. Where another process pins for itself what it stores here, `noteBlocks` is false: its
 * blocks are not ours to collect. While a pin cannot be moved, nothing is noted: what it covers stays.
 */
export async function migratePins(
  records: Datastore,
  pins: Pins,
  { noteBlocks }: { noteBlocks: boolean }
): Promise<Migration> {
  const migration: Migration = { moved: 0, failed: [] }
  if (await records.has(marker)) return migration
  for await (const { key, value } of records.query({ prefix: oldPrefix })) {
    const text = key.toString().slice(oldPrefix.length)
    const { mode, name } = readOld(value)
    try {
      await addOld(pins, CID.parse(text), mode, name)
      await records.delete(key)
      migration.moved++
    } catch (error) {
      migration.failed.push({
        cid: text,
        why: error instanceof Error ? error.message : String(error)
      })
    }
  }
  if (migration.failed.length > 0) return migration
  if (noteBlocks) await pins.noteAll()
  await records.put(marker, new Uint8Array([1]))
  return migration
}

/** A direct pin with a codec that has no decoder here keeps its block under the codec raw. */
async function addOld(pins: Pins, cid: CID, mode: PinMode, name: string): Promise<void> {
  try {
    await pins.add(cid, { mode, name })
  } catch (error) {
    if (mode === 'recursive' || !(error instanceof UnknownCodecError)) throw error
    await pins.add(CID.createV1(raw.code, cid.multihash), { mode, name })
  }
}

function readOld(bytes: Uint8Array): { mode: PinMode; name: string } {
  const record: unknown = JSON.parse(new TextDecoder().decode(bytes))
  const { mode, name } = record as { mode?: unknown; name?: unknown }
  return {
    mode: mode === 'direct' ? 'direct' : 'recursive',
    name: typeof name === 'string' ? name : ''
  }
}
