import { InvalidParametersError } from '../errors.ts'
import { type PoolHandle, addon, settled } from './addon.ts'
import {
  checkInteger,
  checkProperties,
  checkString,
  checkStrings,
  checkWrappingKey
} from './checks.ts'
import type {
  DamagedRecord,
  DatasetStatus,
  Pool,
  PoolStatus,
  Properties,
  ReceiveOptions,
  SendOptions
} from './face.ts'

export class NativePool implements Pool {
  readonly #addon = addon()
  readonly #handle: PoolHandle

  constructor(handle: PoolHandle) {
    this.#handle = handle
  }

  async status(): Promise<PoolStatus> {
    return settled(this.#addon.poolStatus(this.#handle))
  }

  async clearErrors(): Promise<void> {
    return settled(this.#addon.clearErrors(this.#handle))
  }

  async createDataset(name: string, properties: Properties, key?: Uint8Array): Promise<void> {
    checkString(name, 'the name of a dataset')
    checkProperties(properties)
    if (key != null) checkWrappingKey(key)
    return settled(this.#addon.createDataset(this.#handle, name, properties, key))
  }

  async destroyDataset(name: string): Promise<void> {
    checkString(name, 'the name of a dataset')
    return settled(this.#addon.destroyDataset(this.#handle, name))
  }

  async listDatasets(root: string): Promise<DatasetStatus[]> {
    checkString(root, 'the name of a dataset')
    return settled(this.#addon.listDatasets(this.#handle, root))
  }

  async setProperties(name: string, properties: Properties): Promise<void> {
    checkString(name, 'the name of a dataset')
    checkProperties(properties)
    return settled(this.#addon.setProperties(this.#handle, name, properties))
  }

  async getProperties(name: string): Promise<Properties> {
    checkString(name, 'the name of a dataset')
    return settled(this.#addon.getProperties(this.#handle, name))
  }

  async snapshot(names: string[]): Promise<void> {
    checkStrings(names, 'the names of snapshots')
    return settled(this.#addon.snapshot(this.#handle, names))
  }

  async listSnapshots(root: string): Promise<DatasetStatus[]> {
    checkString(root, 'the name of a dataset')
    return settled(this.#addon.listSnapshots(this.#handle, root))
  }

  async rollback(snapshot: string): Promise<void> {
    checkString(snapshot, 'the name of a snapshot')
    return settled(this.#addon.rollback(this.#handle, snapshot))
  }

  async destroySnapshots(names: string[]): Promise<void> {
    checkStrings(names, 'the names of snapshots')
    return settled(this.#addon.destroySnapshots(this.#handle, names))
  }

  async clone(snapshot: string, name: string): Promise<void> {
    checkString(snapshot, 'the name of a snapshot')
    checkString(name, 'the name of a dataset')
    return settled(this.#addon.clone(this.#handle, snapshot, name))
  }

  async hold(snapshot: string, tag: string): Promise<void> {
    checkString(snapshot, 'the name of a snapshot')
    checkString(tag, 'the tag of a hold')
    return settled(this.#addon.hold(this.#handle, snapshot, tag))
  }

  async release(snapshot: string, tag: string): Promise<void> {
    checkString(snapshot, 'the name of a snapshot')
    checkString(tag, 'the tag of a hold')
    return settled(this.#addon.release(this.#handle, snapshot, tag))
  }

  async bookmark(snapshot: string, name: string): Promise<void> {
    checkString(snapshot, 'the name of a snapshot')
    checkString(name, 'the name of a bookmark')
    return settled(this.#addon.bookmark(this.#handle, snapshot, name))
  }

  async loadKey(dataset: string, key: Uint8Array): Promise<void> {
    checkString(dataset, 'the name of a dataset')
    checkWrappingKey(key)
    return settled(this.#addon.loadKey(this.#handle, dataset, key))
  }

  async unloadKey(dataset: string): Promise<void> {
    checkString(dataset, 'the name of a dataset')
    return settled(this.#addon.unloadKey(this.#handle, dataset))
  }

  async changeKey(dataset: string, key: Uint8Array): Promise<void> {
    checkString(dataset, 'the name of a dataset')
    checkWrappingKey(key)
    return settled(this.#addon.changeKey(this.#handle, dataset, key))
  }

  async send(snapshot: string, fd: number, options: SendOptions = {}): Promise<void> {
    checkString(snapshot, 'the name of a snapshot')
    checkInteger(fd, 'a file descriptor', 0, 2 ** 31 - 1)
    if (options.from != null) checkString(options.from, 'the name of a snapshot or bookmark')
    if (options.resumeToken != null) checkString(options.resumeToken, 'a resume token')
    return settled(this.#addon.send(this.#handle, snapshot, options, fd))
  }

  async receive(snapshot: string, fd: number, options: ReceiveOptions = {}): Promise<void> {
    checkString(snapshot, 'the name of a snapshot')
    checkInteger(fd, 'a file descriptor', 0, 2 ** 31 - 1)
    return settled(this.#addon.receive(this.#handle, snapshot, options, fd))
  }

  async abortReceive(dataset: string): Promise<void> {
    checkString(dataset, 'the name of a dataset')
    return settled(this.#addon.abortReceive(this.#handle, dataset))
  }

  async scrubStart(): Promise<void> {
    return settled(this.#addon.scrubStart(this.#handle))
  }

  async scrubStop(): Promise<void> {
    return settled(this.#addon.scrubStop(this.#handle))
  }

  async damagedRecords(): Promise<DamagedRecord[]> {
    return settled(this.#addon.damagedRecords(this.#handle))
  }

  async close(): Promise<void> {
    return settled(this.#addon.closePool(this.#handle))
  }

  static handle(pool: Pool): PoolHandle {
    if (typeof pool !== 'object' || pool == null || !(#handle in pool)) {
      throw new InvalidParametersError('this is no pool of createPool() or openPool()')
    }
    return pool.#handle
  }
}
