import * as dagPb from '@ipld/dag-pb'
import { CID } from 'multiformats/cid'
import type { Node } from '../../node/node.ts'
import { codecByName, decodeBlock } from '../../unixfs/blocks.ts'
import { hasherByName } from '../../unixfs/hashers.ts'
import { child, NoKeyError } from '../../unixfs/path.ts'
import { checkBlockSize, readBlockBytes } from './block.ts'
import { bytes, firstArg, value, values, type Command, type RpcRequest } from './command.ts'
import { codecCode } from './codecs.ts'
import { bool, text, type Options } from './options.ts'
import { pinOptions, pinRecursively } from './pinning.ts'
import { reader, resolveArg } from './paths.ts'

type Codec = NonNullable<ReturnType<typeof codecByName>>

/** One that can be decoded here; Kubo tells unknown names from codecs that it has no code for. */
function codecNamed(name: string): Codec {
  const code = codecCode(name)
  const codec = codecByName(name)
  if (codec == null) {
    throw new Error(`no decoder registered for multicodec code ${code} (0x${code.toString(16)})`)
  }
  return codec
}

export const dagPut: Command = {
  name: 'dag/put',
  file: 'object data',
  options: [
    text('store-codec'),
    text('input-codec'),
    bool('pin'),
    text('hash'),
    bool('allow-big-block')
  ],
  run: (request, node) => {
    const { options } = request
    const input = codecNamed(options.text('input-codec') ?? 'dag-json')
    const store = codecNamed(options.text('store-codec') ?? 'dag-cbor')
    return values(putNodes(request, node, input, store, hasherFor(options)))
  }
}

function hasherFor(options: Options) {
  const name = options.text('hash') ?? ''
  const hasher = hasherByName(name === '' ? 'sha2-256' : name)
  if (hasher == null) throw new Error(`unknown multicodec: ${JSON.stringify(name)}`)
  return hasher
}

async function* putNodes(
  request: RpcRequest,
  node: Node,
  input: Codec,
  store: Codec,
  hasher: ReturnType<typeof hasherFor>
): AsyncGenerator<object> {
  const { options, signal } = request
  for await (const { content } of request.parts()) {
    const given = await readBlockBytes(content)
    const decoded = input.decode(given)
    const block = store.encode(store.code === dagPb.code ? dagPb.prepare(decoded) : decoded)
    checkBlockSize(block.byteLength, options)
    const cid = CID.createV1(store.code, hasher.digest(block))
    await node.gcLock.shared(async () => {
      await node.blocks.store.put(cid, block, { signal })
      if (options.bool('pin')) {
        await pinRecursively(cid, node, pinOptions(request, node))
      }
    })
    node.announce([cid])
    yield { Cid: { '/': request.cidText(cid) } }
  }
}

export const dagGet: Command = {
  name: 'dag/get',
  args: { name: 'ref', required: true },
  options: [text('output-codec')],
  run: async (request, node) => {
    const codec = codecNamed(request.options.text('output-codec') ?? 'dag-json')
    const { cid, remainder } = await resolveArg(firstArg(request), request, node)
    let found = decodeBlock({ cid, bytes: await reader(request, node)(cid) })
    for (const segment of remainder) {
      found = child(found, segment)
      if (found === undefined) throw new NoKeyError(segment)
    }
    const encoded = codec.encode(codec.code === dagPb.code ? dagPb.prepare(found) : found)
    return bytes(one(encoded), 'text/plain')
  }
}

async function* one(encoded: Uint8Array): AsyncGenerator<Uint8Array> {
  yield encoded
}

export const dagResolve: Command = {
  name: 'dag/resolve',
  args: { name: 'ref', required: true },
  run: async (request, node) => {
    const { cid, remainder } = await resolveArg(firstArg(request), request, node)
    return value({
      Cid: { '/': request.cidText(cid) },
      RemPath: remainder.map(segment => `/${segment}`).join('')
    })
  }
}
