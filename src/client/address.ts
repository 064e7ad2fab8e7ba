/** Where an RPC server listens: what the repo's `api` file says. */
export type RpcAddress = { host: string; port: number } | { socketPath: string }

/** `/ip4/127.0.0.1/tcp/5001`, `/ip6/::1/tcp/5001`, `/dns/host/tcp/5001` or `/unix/path`. */
export function parseAddress(text: string): RpcAddress | undefined {
  const parts = text.trim().split('/')
  if (parts[0] !== '') return undefined
  if (parts[1] === 'unix') return { socketPath: '/' + parts.slice(2).join('/') }
  const [, family, host, transport, port] = parts
  if (!['ip4', 'ip6', 'dns', 'dns4', 'dns6'].includes(family ?? '')) return undefined
  if (host == null || host === '' || transport !== 'tcp') return undefined
  const number = Number(port)
  return Number.isInteger(number) && number > 0 && number < 65_536
    ? { host, port: number }
    : undefined
}

/** `127.0.0.1:5001`, `[::1]:5001`, `localhost:0`. */
export function parseHostPort(text: string): { host: string; port: number } | undefined {
  const found = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d+)$/i.exec(text)
  const host = found?.[1] ?? found?.[2]
  const port = Number(found?.[3])
  return host != null && port < 65_536 ? { host, port } : undefined
}
