import type { Node } from '../../node/node.ts'
import { serve, type HttpServer, type ListenOptions } from '../listen.ts'

/** Serves the trustless gateway of a node. */
export async function startGateway(node: Node, listen: ListenOptions): Promise<HttpServer> {
  return serve(
    listen,
    async ({ response }) => {
      response.writeHead(501).end()
    },
    node.log
  )
}
