/** Ports for servers that tests start as processes of their own. */
import { createServer } from 'node:net'

/**
 * Below 32768, where Linux takes the local ports of connections from
 * (net.ipv4.ip_local_port_range): of what is free there, a connection of some other test can have
 * taken one before the server asks for it.
 */
const FIRST = 10_000
const LAST = 29_999

// Test files run side by side, so each process begins somewhere else, and gives no port twice.
let next = FIRST + ((process.pid * 97) % (LAST - FIRST))

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise(resolve => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** `count` ports in a row that nobody listens on. */
export async function freePorts(count: number): Promise<number[]> {
  for (;;) {
    if (next + count - 1 > LAST) next = FIRST
    const ports = Array.from({ length: count }, (_, i) => next + i)
    next += count
    const free = await Promise.all(ports.map(isFree))
    if (free.every(Boolean)) return ports
  }
}
