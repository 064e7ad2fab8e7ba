import { isUint8Array } from 'node:util/types'
import { InvalidParametersError } from '../errors.ts'
import { type AddonChanges, type CatalogHandle, addon, settled } from './addon.ts'
import {
  KEY_BYTES,
  MAX_BATCH,
  checkDurability,
  checkInteger,
  checkKey,
  checkKeys
} from './checks.ts'
import {
  CATALOG_FAMILIES,
  type Catalog,
  type CatalogChanges,
  type CatalogFamily,
  type CatalogRecords,
  type CatalogSums,
  type Durability
} from './face.ts'

export class NativeCatalog implements Catalog {
  readonly #addon = addon()
  readonly #handle: CatalogHandle

  constructor(handle: CatalogHandle) {
    this.#handle = handle
  }

  async get(family: CatalogFamily, keys: Uint8Array): Promise<Float64Array> {
    checkKeys(keys)
    return settled(this.#addon.catalogGet(this.#handle, familyNumber(family), keys))
  }

  async alive(keys: Uint8Array): Promise<Uint8Array> {
    checkKeys(keys)
    return settled(this.#addon.catalogAlive(this.#handle, keys))
  }

  async apply(
    changes: Array<CatalogChanges | CatalogSums>,
    freeing: boolean,
    durability: Durability
  ): Promise<void> {
    const durable = checkDurability(durability)
    const parts = changes.map(checkedChanges)
    return settled(this.#addon.catalogApply(this.#handle, parts, freeing, durable))
  }

  async scan(
    family: CatalogFamily,
    from: Uint8Array | undefined,
    limit: number
  ): Promise<CatalogRecords> {
    checkKey(from)
    checkInteger(limit, 'the limit of a scan', 1, MAX_BATCH)
    return settled(this.#addon.catalogScan(this.#handle, familyNumber(family), from, limit))
  }

  count(family: CatalogFamily): number {
    return this.#addon.catalogCount(this.#handle, familyNumber(family))
  }

  logBytes(): number {
    return this.#addon.catalogLogBytes(this.#handle)
  }

  async writeOut(): Promise<void> {
    return settled(this.#addon.catalogWriteOut(this.#handle))
  }

  async check(): Promise<string[]> {
    return settled(this.#addon.catalogCheck(this.#handle))
  }

  async close(): Promise<void> {
    return settled(this.#addon.closeCatalog(this.#handle))
  }
}

function checkedChanges(changes: CatalogChanges | CatalogSums): AddonChanges {
  const { keys } = changes
  const family = familyNumber(changes.family)
  if (!isUint8Array(keys) || keys.length % KEY_BYTES !== 0) {
    throw new InvalidParametersError('changes have keys of 32 bytes, back to back')
  }
  if ('added' in changes) {
    const { added, gone = { family: 'loose', value: 0 } } = changes
    checkInteger(added, 'what is added', -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    checkInteger(gone.value, 'a value', 0, Number.MAX_SAFE_INTEGER)
    return [family, keys, added, familyNumber(gone.family), gone.value]
  }
  const { values } = changes
  if (!(values instanceof Float64Array) || keys.length !== values.length * KEY_BYTES) {
    throw new InvalidParametersError('there must be as many values as keys')
  }
  if (values.some(value => !Number.isSafeInteger(value) || value < 0)) {
    throw new InvalidParametersError('values are whole numbers from 0 to 2^53 - 1')
  }
  return [family, keys, values]
}

function familyNumber(family: CatalogFamily): number {
  const number = CATALOG_FAMILIES.indexOf(family)
  if (number < 0) throw new InvalidParametersError(`there is no family '${family}'`)
  return number
}
