import type { CID } from 'multiformats/cid'
import type { Kind } from './node.ts'
import { kindOf } from './node.ts'
import type { PinMode } from './types.ts'

/**
 * What `pins` keeps of one multihash. Pins are of CIDs: version 0 and 1 of one multihash are two
 * pins, and so are two codecs. Each of the eight CIDs that a multihash can have here has a slot:
 *
 * - bits 2i and 2i+1: how slot i is pinned: 0 not, 1 directly, 2 recursively
 * - bit 16+i: its name is in the records
 * - bit 24: the multihash is not sha2-256 and is in the records
 */
export type PinValue = number

export interface Slot {
  version: 0 | 1
  codec: number
}

const slots: readonly Slot[] = [
  { version: 0, codec: 0x70 },
  { version: 1, codec: 0x70 },
  { version: 1, codec: 0x55 },
  { version: 1, codec: 0x71 },
  { version: 1, codec: 0x0129 },
  { version: 1, codec: 0x51 },
  { version: 1, codec: 0x0200 },
  { version: 1, codec: 0x72 }
]

const foreignBit = 1 << 24

/** UnknownCodecError for a CID whose codec has no slot. */
export function slotOf(cid: CID): number {
  kindOf(cid.code)
  return slots.findIndex(({ version, codec }) => version === cid.version && codec === cid.code)
}

export function modeAt(value: PinValue, slot: number): PinMode | undefined {
  const bits = (value >> (2 * slot)) & 3
  return bits === 0 ? undefined : bits === 1 ? 'direct' : 'recursive'
}

export function isNamed(value: PinValue, slot: number): boolean {
  return ((value >> (16 + slot)) & 1) === 1
}

export function isForeign(value: PinValue): boolean {
  return (value & foreignBit) !== 0
}

export interface PinChange {
  mode: PinMode | undefined
  named: boolean
  foreign: boolean
}

/** The value with one slot changed; 0 when nothing is pinned any more. */
export function withPin(value: PinValue, slot: number, change: PinChange): PinValue {
  const { mode, named, foreign } = change
  const clear = ~((3 << (2 * slot)) | (1 << (16 + slot)))
  const bits = mode == null ? 0 : mode === 'direct' ? 1 : 2
  const next = (value & clear) | (bits << (2 * slot)) | (named ? 1 << (16 + slot) : 0)
  if ((next & 0xffff) === 0) return 0
  return foreign ? next | foreignBit : next
}

/** How many recursive pins there are on nodes of this kind. */
export function recursivePins(value: PinValue, kind: Kind): number {
  let count = 0
  for (let slot = 0; slot < slots.length; slot++) {
    const isOfKind = kindOf((slots[slot] as Slot).codec) === kind
    if (isOfKind && modeAt(value, slot) === 'recursive') count++
  }
  return count
}

/** Each slot that is pinned. */
export function* pinnedSlots(value: PinValue): Generator<{ slot: number; mode: PinMode }> {
  for (let slot = 0; slot < slots.length; slot++) {
    const mode = modeAt(value, slot)
    if (mode != null) yield { slot, mode }
  }
}

/** Version and codec of a slot's CID. */
export function cidParts(slot: number): Slot {
  return slots[slot] as Slot
}
