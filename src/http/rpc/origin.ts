import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import type { Listening } from '../listen.ts'

/** Kubo allows its browser extension. */
const extensionOrigins = [
  'chrome-extension://nibjojkomfdiaoajekhjakgkdhaomnch',
  'chrome-extension://hjoieblefckbooibpepigmacodalfndh'
]

/** Kubo's rules about browsers: pages of this very server may call it, pages of others may not. */
export class OriginRules {
  readonly #allowed: Set<string>

  constructor(address: Listening) {
    const own =
      'port' in address
        ? ['127.0.0.1', '[::1]', 'localhost'].flatMap(host => [
            `http://${host}:${address.port}`,
            `https://${host}:${address.port}`
          ])
        : []
    this.#allowed = new Set([...own, ...extensionOrigins])
  }

  /** Whether a request may run: a browser tells in some header where its page is from. */
  allows(headers: IncomingHttpHeaders): boolean {
    const { origin, referer, 'user-agent': agent = '' } = headers
    if (origin != null && origin !== '' && !this.#allowed.has(origin)) return false
    if (referer != null && referer !== '') return this.#allowed.has(originOf(referer))
    if (origin != null && origin !== '') return true
    return agent.includes('Electron') || !agent.startsWith('Mozilla')
  }

  /** What an allowed page's browser needs to see in the answer. */
  headers({ origin }: IncomingHttpHeaders): OutgoingHttpHeaders {
    const allowed = origin != null && this.#allowed.has(origin)
    return { vary: 'Origin', ...(allowed ? { 'access-control-allow-origin': origin } : {}) }
  }

  /** The answer to a browser that asks before it calls. */
  preflightHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
    const { origin, 'access-control-request-headers': wanted } = headers
    const vary = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers'
    if (origin == null || !this.#allowed.has(origin)) return { vary }
    return {
      vary,
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'POST',
      ...(wanted == null ? {} : { 'access-control-allow-headers': wanted })
    }
  }
}

function originOf(referer: string): string {
  try {
    const { protocol, host } = new URL(referer)
    return `${protocol}//${host}`
  } catch {
    return ''
  }
}
