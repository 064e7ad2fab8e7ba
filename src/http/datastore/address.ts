import { InvalidParametersError } from '../../errors.ts'

/** Where the remote datastore listens, or is: a socket file, or a host and a port. */
export type DatastoreAddress = { path: string } | { host: string; port: number }

/** The longest path that a socket can have on Linux. */
const MAX_SOCKET_PATH = 107

/** `unix:PATH` or `host:port` (`[::1]:port` for IPv6; port 0 picks a free one). */
export function parseDatastoreAddress(text: string): DatastoreAddress {
  if (text.startsWith('unix:')) {
    return { path: checkedSocketPath(text.slice('unix:'.length)) }
  }
  const [, ipv6, name, digits] = /^(?:\[([^\]]+)\]|([^:/[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const host = ipv6 ?? name
  const port = Number(digits)
  if (host == null || port > 65535) {
    throw new InvalidParametersError(`${text} is neither unix:PATH nor host:port`)
  }
  return { host, port }
}

function checkedSocketPath(path: string): string {
  const bytes = Buffer.byteLength(path)
  if (bytes === 0 || bytes > MAX_SOCKET_PATH) {
    throw new InvalidParametersError(
      `the path of a socket has 1 to ${MAX_SOCKET_PATH} bytes; "${path}" has ${bytes}`
    )
  }
  return path
}

export function showDatastoreAddress(address: DatastoreAddress): string {
  if ('path' in address) {
    return `unix:${address.path}`
  }
  const { host, port } = address
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
