/** One client, while the daemon that it speaks with comes and goes. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RpcConnectionError } from '../../src/client/errors.ts'
import { RpcClient } from '../../src/client/rpc.ts'
import { ZfsClient } from '../../src/client/zfs.ts'
import { ZfsDaemon } from '../cluster/daemons.ts'
import { collect, rejection } from '../rejection.ts'

/** Nobody has it, so whoever asks for it waits. */
const nobodys = 'bafkreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'

test('calls fail while the daemon is away, and work again when it is back', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'zfs-client-'))
  const daemon = await ZfsDaemon.make(folder, { sizeText: '256M' })
  const rpc = new RpcClient({ host: '127.0.0.1', port: daemon.rpc })
  const zfs = new ZfsClient(rpc)
  const names = async () => (await collect(zfs.snapshots())).map(({ name }) => name)
  try {
    assert.instance(await rejection(zfs.status()), RpcConnectionError)
    await daemon.start()
    const { root } = await zfs.status()
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await zfs.createSnapshot(signal)
      const waiting = rejection(rpc.open('block/get', { args: [nobodys] }))
      // on a connection of its own: that one is taken
      await zfs.status()
      await daemon.stop(signal)
      assert.match(String(await waiting), /RpcConnectionError|the node is stopping/)
      const away = await rejection(zfs.createSnapshot('never'))
      assert.instance(away, RpcConnectionError)
      assert.is((away as RpcConnectionError).code, 'ERR_RPC_CONNECTION')
      await daemon.start()
      assert.is((await zfs.status()).root, root)
    }
    assert.equal(await names(), ['SIGKILL', 'SIGTERM'])
    // nothing was called between the end and the beginning
    await daemon.stop()
    await daemon.start()
    await zfs.destroySnapshot('SIGKILL')
    assert.equal(await names(), ['SIGTERM'])
  } finally {
    rpc.close()
    await daemon.stop()
    await rm(folder, { recursive: true, force: true })
  }
})

test.run()
