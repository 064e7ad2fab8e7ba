import { CorruptError } from '../errors.ts'

/** One entry for each value of a digest's first 12 bits. */
export const BUCKETS = 4096

/** Ranges of equal width, in order: shard 0 has the smallest digests. */
export function equalRanges(shards: number): Uint16Array {
  return Uint16Array.from({ length: BUCKETS }, (_, bucket) =>
    Math.floor((bucket * shards) / BUCKETS)
  )
}

interface StoredMap {
  shards: number
  /** Runs of buckets with the same shard: [first bucket, shard]. */
  runs: Array<[number, number]>
}

export interface ShardMap {
  shards: number
  bucketShards: Uint16Array
}

/** As text for the catalog; ranges take one entry each. */
export function encodeShardMap({ shards, bucketShards }: ShardMap): string {
  const runs: Array<[number, number]> = []
  bucketShards.forEach((shard, bucket) => {
    if (bucket === 0 || shard !== bucketShards[bucket - 1]) {
      runs.push([bucket, shard])
    }
  })
  return JSON.stringify({ shards, runs } satisfies StoredMap)
}

/** CorruptError for anything that is not a whole map. */
export function decodeShardMap(text: string): ShardMap {
  const map = JSON.parse(text) as Partial<StoredMap> | null
  const shards = map?.shards
  const runs = map?.runs
  if (!Number.isInteger(shards) || shards == null || !Array.isArray(runs) || runs[0]?.[0] !== 0) {
    throw new CorruptError(`the catalog's shard map is damaged: ${text.slice(0, 200)}`)
  }
  const bucketShards = new Uint16Array(BUCKETS)
  for (const [bucket, shard] of runs) {
    if (!(bucket < BUCKETS && shard >= 0 && shard < shards)) {
      throw new CorruptError(`the catalog's shard map sends bucket ${bucket} to shard ${shard}`)
    }
    bucketShards.fill(shard, bucket)
  }
  return { shards, bucketShards }
}
