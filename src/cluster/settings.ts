import { valueAt, type JsonObject, type Setting } from '../settings.ts'

export interface Place {
  /** Multiaddr of the daemon's RPC. */
  rpc: string
  /** The pool's name. */
  pool: string
  /** A name for its kind of storage, `ssd`; absent: what there is stays. */
  tier?: string
}

/** What Cluster itself writes, so not somebody's choice. */
const STOCK_ALLOCATE_BY = '["tag:group","freespace"]'

/** The settings of service.json that fit a daemon on ZFS. docs/cluster.md explains each. */
export function clusterSettings(config: JsonObject, { rpc, pool, tier }: Place): Setting[] {
  return [
    ...connectorSettings(rpc),
    ...(isRaft(config) ? [] : batchingSettings()),
    {
      path: 'pin_tracker.stateless.concurrent_pins',
      value: 64,
      why: 'Pins that wait for the disk share a transaction group: many at once cost what one costs.'
    },
    {
      path: 'informer.disk.metric_type',
      value: 'freespace',
      why: 'repo/stat tells what ZFS still lets in, after parity, reserves and quotas.'
    },
    { path: 'informer.disk.metric_ttl', value: '30s', why: 'Asking costs the same at any size.' },
    ...allocationSettings(config),
    {
      path: 'informer.tags.metric_ttl',
      value: '30s',
      why: 'Tells the other peers the tags below.'
    },
    { path: 'informer.tags.tags.pool', value: pool, why: 'The pool that this peer stores in.' },
    ...(tier == null
      ? []
      : [{ path: 'informer.tags.tags.tier', value: tier, why: "The pool's kind of storage." }])
  ]
}

function connectorSettings(rpc: string): Setting[] {
  return [
    {
      path: 'ipfs_connector.ipfshttp.node_multiaddress',
      value: rpc,
      why: "The daemon's RPC."
    },
    {
      path: 'ipfs_connector.ipfshttp.ipfs_request_timeout',
      value: '1h0m0s',
      why: 'A whole listing of pins must fit into it, and one of 100 million takes minutes.'
    },
    {
      path: 'ipfs_connector.ipfshttp.pin_timeout',
      value: '5m0s',
      why: 'A block that no peer gives is asked for again for up to a minute at a time.'
    },
    {
      path: 'api.ipfsproxy.node_multiaddress',
      value: rpc,
      why: 'What the proxy passes on, /api/v0/zfs among it, goes to the same daemon.'
    }
  ]
}

function batchingSettings(): Setting[] {
  const why = 'One commit of the shared state for many pins; without, each is one of its own.'
  return [
    { path: 'consensus.crdt.batching.max_batch_size', value: 1000, why },
    { path: 'consensus.crdt.batching.max_batch_age', value: '1s', why: 'The longest a pin waits.' }
  ]
}

function allocationSettings(config: JsonObject): Setting[] {
  const before = valueAt(config, 'allocator.balanced.allocate_by')
  if (before != null && JSON.stringify(before) !== STOCK_ALLOCATE_BY) return []
  return [
    {
      path: 'allocator.balanced.allocate_by',
      value: ['tag:pool', 'freespace'],
      why: 'Replicas go to different pools, and there to whoever has most room.'
    }
  ]
}

function isRaft(config: JsonObject): boolean {
  return valueAt(config, 'consensus.raft') != null
}
