import { chmod, unlink } from 'node:fs/promises'
import type { Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { BusyError } from '../../errors.ts'
import type { DatastoreAddress } from './address.ts'

/** Listens, and says where. A socket file is only for its owner, from the moment it exists. */
export async function listenOn(
  server: Server,
  address: DatastoreAddress
): Promise<DatastoreAddress> {
  if ('path' in address) {
    await removeStale(address.path)
    const mask = process.umask(0o177)
    try {
      await started(
        server,
        () => server.listen({ path: address.path }),
        () => process.umask(mask)
      )
    } finally {
      process.umask(mask)
    }
    await chmod(address.path, 0o600)
    return address
  }
  await started(server, () => server.listen(address))
  const { address: host, port } = server.address() as AddressInfo
  return { host, port }
}

/** `listen` binds before it returns; `bound` comes then. */
async function started(server: Server, listen: () => void, bound?: () => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      resolve()
    })
    listen()
    bound?.()
  })
}

/** The socket file of a process that was killed is in the way of the next. */
async function removeStale(path: string): Promise<void> {
  const code = await new Promise<string | undefined>(resolve => {
    const probe = connect({ path })
    probe.on('connect', () => {
      probe.destroy()
      resolve(undefined)
    })
    probe.on('error', error => resolve('code' in error ? String(error.code) : ''))
  })
  if (code == null) {
    throw new BusyError(`another process listens on ${path}`)
  }
  if (code === 'ECONNREFUSED') {
    await unlink(path)
  }
}
