/**
 * The only door to the addon, which native/addon.ts loads. Few calls, batches in and batches out;
 * every call that may wait runs on the addon's own threads, and nothing here blocks the event loop.
 *
 * All of these throw (reject with) the classes of errors.ts.
 */

import { InvalidParametersError } from './errors.ts'
import { addon, addonPath, settled } from './native/addon.ts'
import { NativeCatalog } from './native/catalog.ts'
import {
  BUCKETS,
  checkInteger,
  checkPoolOptions,
  checkProperties,
  checkString,
  checkStrings,
  checkVdevs
} from './native/checks.ts'
import type { Native } from './native/face.ts'
import { NativePool } from './native/pool.ts'
import { NativeStore } from './native/store.ts'

export * from './native/face.ts'

export const native: Native = {
  sqliteExtension: addonPath,

  get setFileFault() {
    return addon().setFileFault
  },

  async createPool(options) {
    checkPoolOptions(options)
    checkString(options.layout, 'the layout')
    if (!/^(stripe|mirror|raidz[123])$/.test(options.layout)) {
      throw new InvalidParametersError(`there is no layout '${options.layout}'`)
    }
    checkInteger(options.sizeBytes, 'sizeBytes', 0, Number.MAX_SAFE_INTEGER)
    if (options.ashift != null) checkInteger(options.ashift, 'ashift', 9, 16)
    if (options.rootProperties != null) checkProperties(options.rootProperties)
    const engine = options.engine ?? 'embedded'
    return new NativePool(await settled(addon().createPool({ ...options, engine })))
  },

  async openPool(options) {
    checkPoolOptions(options)
    const engine = options.engine ?? 'embedded'
    return new NativePool(await settled(addon().openPool({ ...options, engine })))
  },

  kernelHasPool(name, vdevs = []) {
    checkString(name, 'the name of a pool')
    checkVdevs(vdevs, 0)
    return addon().kernelHasPool(name, vdevs)
  },

  async importPool(name, vdevs) {
    checkString(name, 'the name of a pool')
    checkVdevs(vdevs, 0)
    return settled(addon().importPool(name, vdevs))
  },

  async exportPool(name) {
    checkString(name, 'the name of a pool')
    return settled(addon().exportPool(name))
  },

  async openStore(pool, { shards, bucketShards, tableKeys, indexMemoryBytes }) {
    const handle = NativePool.handle(pool)
    checkStrings(shards, 'the names of shards')
    if (shards.length === 0 || shards.length > BUCKETS || new Set(shards).size < shards.length) {
      throw new InvalidParametersError(`a store has 1 to ${BUCKETS} different shards`)
    }
    if (!(bucketShards instanceof Uint16Array) || bucketShards.length !== BUCKETS) {
      throw new InvalidParametersError(`bucketShards must be a Uint16Array of ${BUCKETS} entries`)
    }
    if (bucketShards.some(shard => shard >= shards.length)) {
      throw new InvalidParametersError('bucketShards names a shard that is not there')
    }
    if (tableKeys != null) checkInteger(tableKeys, 'tableKeys', 1, 2 ** 31)
    if (indexMemoryBytes != null) {
      checkInteger(indexMemoryBytes, 'indexMemoryBytes', 0, Number.MAX_SAFE_INTEGER)
    }
    return new NativeStore(
      await settled(addon().openStore(handle, shards, bucketShards, tableKeys, indexMemoryBytes))
    )
  },

  async openCatalog(pool, dataset) {
    const handle = NativePool.handle(pool)
    checkString(dataset, 'the name of a dataset')
    return new NativeCatalog(await settled(addon().openCatalog(handle, dataset)))
  },

  async syncPool(pool) {
    return settled(addon().syncPool(NativePool.handle(pool)))
  }
}
