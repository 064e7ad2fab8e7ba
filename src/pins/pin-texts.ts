import { Key, type Datastore } from 'interface-datastore'
import type { CID } from 'multiformats/cid'
import { InvalidParametersError } from '../errors.ts'
import { blockKey } from './node.ts'

/** Kubo's limit. */
const nameBytesMax = 255

const namePrefix = '/ipfs-zfs/pin-names/'
const multihashPrefix = '/ipfs-zfs/pin-multihashes/'

export function checkPinName(name: string): void {
  const bytes = Buffer.byteLength(name)
  if (bytes <= nameBytesMax) return
  throw new InvalidParametersError(`pin name is ${bytes} bytes (max ${nameBytesMax} bytes)`)
}

/**
 * What does not fit the catalog's eight bytes: names, and multihashes that are not their own key.
 * A record counts only while the catalog says that it does, so one that a crash left is harmless.
 */
export class PinTexts {
  readonly #records: Datastore

  constructor(records: Datastore) {
    this.#records = records
  }

  async remember(cid: CID, name: string, foreign: boolean): Promise<void> {
    if (name !== '') await this.#records.put(nameKey(cid), new TextEncoder().encode(name))
    const { bytes } = cid.multihash
    if (foreign) await this.#records.put(multihashKey(blockKey(bytes)), bytes)
  }

  /** The multihash stays: other pins may be on it, and what is under it may still be released. */
  async forget(cid: CID): Promise<void> {
    if (await this.#records.has(nameKey(cid))) await this.#records.delete(nameKey(cid))
  }

  async name(cid: CID): Promise<string> {
    const bytes = await this.#get(nameKey(cid))
    return bytes == null ? '' : new TextDecoder().decode(bytes)
  }

  /** Of a key that is the complement of a hash. */
  async multihash(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#get(multihashKey(key))
  }

  async #get(key: Key): Promise<Uint8Array | undefined> {
    try {
      return await this.#records.get(key)
    } catch (error) {
      if (error instanceof Error && error.name === 'NotFoundError') return undefined
      throw error
    }
  }
}

function nameKey(cid: CID): Key {
  return new Key(namePrefix + cid.toString())
}

function multihashKey(key: Uint8Array): Key {
  return new Key(multihashPrefix + Buffer.from(key).toString('hex'))
}
