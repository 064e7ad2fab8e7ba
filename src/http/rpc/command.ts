import type { CID } from 'multiformats/cid'
import type { Node } from '../../node/node.ts'
import type { Options, OptionSpec } from './options.ts'
import type { Part } from './multipart.ts'

/** One command of the RPC: what it takes, and what it does. */
export interface Command {
  /** As in the URL: `block/get`. */
  name: string
  /** String arguments, `arg=` in the query. */
  args?: ArgSpec
  /** The name of the file argument that the body must bring. */
  file?: string
  options?: OptionSpec[]
  /** About this node among its peers: where a backing Kubo alone meets them, it answers. */
  ofNetwork?: true
  run(request: RpcRequest, node: Node): Promise<Reply> | Reply
}

export interface ArgSpec {
  /** For messages. */
  name: string
  required: boolean
}

export interface RpcRequest {
  args: string[]
  options: Options
  /** Aborts when the client goes away, the time-out of the request passes, or the node stops. */
  signal: AbortSignal
  /** Asked not to use the network. */
  offline: boolean
  /** The files of a multipart body, one at a time. */
  parts(): AsyncIterable<Part>
  /** In the base that the request asks for. */
  cidText: (cid: CID) => string
}

export type Reply =
  | { kind: 'value'; value: unknown }
  /** One JSON line each; nothing is sent before the first is there. */
  | { kind: 'values'; values: AsyncIterable<unknown> }
  /** JSON lines that are written already, many in each chunk. */
  | { kind: 'lines'; lines: AsyncIterable<Uint8Array> }
  | {
      kind: 'bytes'
      bytes: AsyncIterable<Uint8Array>
      contentType: string
      totalBytes?: number
    }

export function value(value: unknown): Reply {
  return { kind: 'value', value }
}

export function values(values: AsyncIterable<unknown>): Reply {
  return { kind: 'values', values }
}

export function bytes(
  bytes: AsyncIterable<Uint8Array>,
  contentType: string,
  totalBytes?: number
): Reply {
  return { kind: 'bytes', bytes, contentType, ...(totalBytes == null ? {} : { totalBytes }) }
}

/** The first argument, which the command's `args` asked for. */
export function firstArg(request: RpcRequest): string {
  return request.args[0] ?? ''
}
