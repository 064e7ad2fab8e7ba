/** Pins in memory, new for each test, and blocks to put beside them. */
import * as dagCbor from '@ipld/dag-cbor'
import { MemoryDatastore } from 'datastore-core'
import * as raw from 'multiformats/codecs/raw'
import { suite } from 'uvu'
import { Pins } from '../../src/pins/pins.ts'
import { blockOf } from './dag-model.ts'
import { MapBlocks } from './map-blocks.ts'
import { MemoryCatalog } from './memory-catalog.ts'

export interface World {
  blocks: MapBlocks
  catalog: MemoryCatalog
  records: MemoryDatastore
  pins: Pins
}

export function worldSuite(name: string) {
  const test = suite<World>(name)
  test.before.each(context => {
    const blocks = new MapBlocks()
    const catalog = new MemoryCatalog()
    const records = new MemoryDatastore()
    const pins = new Pins({ catalog, blocks, records })
    Object.assign(context, { blocks, catalog, records, pins })
  })
  return test
}

export const leaf = (text: string) => blockOf(raw.code, new TextEncoder().encode(text))
export const cbor = (value: unknown) => blockOf(dagCbor.code, dagCbor.encode(value))
