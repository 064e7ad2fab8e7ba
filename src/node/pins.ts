import type { AbortOptions } from 'abort-error'
import { Key, type Datastore } from 'interface-datastore'
import { CID } from 'multiformats/cid'
import { base36 } from 'multiformats/bases/base36'
import { InvalidParametersError } from '../errors.ts'
import { isNotFound } from './blocks.ts'

export type PinMode = 'recursive' | 'direct'

export interface Pin {
  cid: CID
  mode: PinMode
  name: string
}

const prefix = '/ipfs-zfs/pins/'
/** Where a Helia application keeps the pins that it makes itself on this repo. */
const heliaPrefix = '/pin/'
/** Kubo's limit. */
const nameBytesMax = 255

/**
 * Which blocks stay: one record a pin, in the repo's datastore. What a pin covers is found by
 * walking; garbage collection does so. (Reference counts take the place of this in `src/pins`.)
 */
export class Pins {
  readonly #records: Datastore

  constructor(records: Datastore) {
    this.#records = records
  }

  /** The caller has seen to it that the whole DAG is here. */
  async set(pin: Pin, options?: AbortOptions): Promise<void> {
    checkPinName(pin.name)
    const record = JSON.stringify({ mode: pin.mode, name: pin.name })
    await this.#records.put(keyOf(pin.cid), new TextEncoder().encode(record), options)
  }

  async get(cid: CID, options?: AbortOptions): Promise<Pin | undefined> {
    try {
      return readPin(cid, await this.#records.get(keyOf(cid), options))
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  async remove(cid: CID, options?: AbortOptions): Promise<void> {
    await this.#records.delete(keyOf(cid), options)
  }

  async *list(options?: AbortOptions): AsyncGenerator<Pin> {
    for await (const { key, value } of this.#records.query({ prefix }, options)) {
      yield readPin(CID.parse(key.toString().slice(prefix.length)), value)
    }
  }

  /** All that garbage collection must start from: these pins, and those of a Helia application. */
  async *roots(options?: AbortOptions): AsyncGenerator<Pin> {
    yield* this.list(options)
    for await (const key of this.#records.queryKeys({ prefix: heliaPrefix }, options)) {
      const cid = CID.parse(key.toString().slice(heliaPrefix.length), base36)
      yield { cid, mode: 'recursive', name: '' }
    }
  }
}

export function checkPinName(name: string): void {
  const bytes = Buffer.byteLength(name)
  if (bytes <= nameBytesMax) return
  throw new InvalidParametersError(`pin name is ${bytes} bytes (max ${nameBytesMax} bytes)`)
}

function keyOf(cid: CID): Key {
  return new Key(prefix + cid.toString())
}

function readPin(cid: CID, bytes: Uint8Array): Pin {
  const record: unknown = JSON.parse(new TextDecoder().decode(bytes))
  const { mode, name } = record as { mode?: unknown; name?: unknown }
  return {
    cid,
    mode: mode === 'direct' ? 'direct' : 'recursive',
    name: typeof name === 'string' ? name : ''
  }
}
