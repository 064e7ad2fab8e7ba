import { setTimeout as sleep } from 'node:timers/promises'
import type { Libp2p } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'

const retryMs = { first: 1_000, longest: 30_000 }
const dialTimeoutMs = 10_000

/** Dials peers at start, and again for as long as they are not connected. */
export class KeptPeers {
  readonly #libp2p: Libp2p
  readonly #addresses: Multiaddr[]
  readonly #log: Logger
  readonly #stopped = new AbortController()

  constructor(libp2p: Libp2p, addresses: Multiaddr[], log: Logger) {
    this.#libp2p = libp2p
    this.#addresses = addresses
    this.#log = log
  }

  start(): void {
    for (const address of this.#addresses) void this.#keep(address)
  }

  stop(): void {
    this.#stopped.abort()
  }

  async #keep(address: Multiaddr): Promise<void> {
    let delay = retryMs.first
    while (!this.#stopped.signal.aborted) {
      if (this.#isConnected(address) || (await this.#dial(address))) delay = retryMs.first
      else delay = Math.min(delay * 2, retryMs.longest)
      await sleep(delay, undefined, { signal: this.#stopped.signal, ref: false }).catch(() => {})
    }
  }

  #isConnected(address: Multiaddr): boolean {
    const id = /\/p2p\/([^/]+)$/.exec(address.toString())?.[1]
    return this.#libp2p
      .getConnections()
      .some(({ remotePeer, remoteAddr }) =>
        id == null ? remoteAddr.equals(address) : remotePeer.toString() === id
      )
  }

  async #dial(address: Multiaddr): Promise<boolean> {
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(dialTimeoutMs)])
    try {
      await this.#libp2p.dial(address, { signal })
      this.#log.info({ peer: String(address) }, 'connected to peer')
      return true
    } catch (error) {
      if (!this.#stopped.signal.aborted) {
        this.#log.warn({ peer: String(address), error: String(error) }, 'cannot reach peer')
      }
      return false
    }
  }
}
