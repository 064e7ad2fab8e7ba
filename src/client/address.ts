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

/** For people. */
export function showAddress(address: RpcAddress): string {
  if ('socketPath' in address) return address.socketPath
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${host}:${address.port}`
}
