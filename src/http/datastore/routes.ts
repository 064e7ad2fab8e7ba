import { RequestError } from './failure.ts'
import * as handlers from './handlers.ts'
import type { Handler } from './handlers.ts'

/** Versions of the protocol that this server speaks. Each is the first part of the path. */
export const VERSIONS: readonly number[] = [1]

interface Route {
  method: string
  /** As OpenAPI writes it; docs/remote-datastore.openapi.json has the same ones. */
  path: string
  handler: Handler
}

const ONE = '/v1/namespaces/{namespace}'

export const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/v1/namespaces', handler: handlers.listNamespaces },
  { method: 'GET', path: ONE, handler: handlers.showNamespace },
  { method: 'PUT', path: ONE, handler: handlers.openNamespace },
  { method: 'DELETE', path: ONE, handler: handlers.destroyNamespace },
  { method: 'GET', path: `${ONE}/value`, handler: handlers.getValue },
  { method: 'HEAD', path: `${ONE}/value`, handler: handlers.headValue },
  { method: 'PUT', path: `${ONE}/value`, handler: handlers.putValue },
  { method: 'DELETE', path: `${ONE}/value`, handler: handlers.deleteValue },
  { method: 'POST', path: `${ONE}/batch`, handler: handlers.batch },
  { method: 'POST', path: `${ONE}/query`, handler: handlers.query },
  { method: 'POST', path: `${ONE}/sync`, handler: handlers.sync },
  { method: 'GET', path: `${ONE}/usage`, handler: handlers.usage },
  { method: 'POST', path: `${ONE}/gc`, handler: handlers.collect }
]

const byPath = new Map<string, Map<string, Handler>>()
for (const { method, path, handler } of ROUTES) {
  const methods = byPath.get(path) ?? new Map<string, Handler>()
  byPath.set(path, methods.set(method, handler))
}

export interface Match {
  handler: Handler
  name: string
  search: string
}

export function match(method: string, url: string): Match {
  const cut = url.indexOf('?')
  const path = cut < 0 ? url : url.slice(0, cut)
  const search = cut < 0 ? '' : url.slice(cut + 1)
  checkVersion(path)
  const [, before, name = '', after = ''] = /^(\/v1\/namespaces)\/([^/]+)(\/.*)?$/.exec(path) ?? []
  const methods = byPath.get(before == null ? path : ONE + after)
  const handler = methods?.get(method)
  if (methods == null) {
    throw new RequestError(404, 'ERR_NO_ROUTE', `there is nothing at ${path}`)
  }
  if (handler == null) {
    const allowed = [...methods.keys()]
    const message = `${path} takes ${allowed.join(', ')}, not ${method}`
    throw new RequestError(405, 'ERR_METHOD', message, { allowed })
  }
  return { handler, name, search }
}

function checkVersion(path: string): void {
  const [, version] = /^\/v(\d+)(?:\/|$)/.exec(path) ?? []
  if (version != null && !VERSIONS.includes(Number(version))) {
    const spoken = VERSIONS.join(', ')
    const message = `version ${version} of the protocol is not spoken here; these are: ${spoken}`
    throw new RequestError(400, 'ERR_VERSION', message, { versions: VERSIONS })
  }
}
