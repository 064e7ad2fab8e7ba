import type { CID } from 'multiformats/cid'
import { collectPinned, pinnedThrough } from '../../node/gc.ts'
import type { Node } from '../../node/node.ts'
import { checkPinName, type Pin } from '../../node/pins.ts'
import { value, values, type Command, type Reply, type RpcRequest } from './command.ts'
import { errorText } from './errors.ts'
import { bool, text } from './options.ts'
import { reader, resolveArg } from './paths.ts'
import { pinRecursively, type PinProgress } from './pinning.ts'

const progressMs = 500

export const pinAdd: Command = {
  name: 'pin/add',
  args: { name: 'ipfs-path', required: true },
  options: [bool('recursive', 'r'), text('name', 'n'), bool('progress')],
  run: async (request, node) => {
    checkPinName(request.options.text('name') ?? '')
    if (!request.options.bool('progress')) {
      return value({ Pins: await pinAll(request, node, { blocks: 0, bytes: 0 }) })
    }
    return values(pinWithProgress(request, node))
  }
}

async function* pinWithProgress(request: RpcRequest, node: Node): AsyncGenerator<object> {
  const progress: PinProgress = { blocks: 0, bytes: 0 }
  const work = pinAll(request, node, progress)
  work.catch(() => {})
  for (;;) {
    let timer: NodeJS.Timeout | undefined
    const tick = new Promise<undefined>(resolve => {
      timer = setTimeout(() => resolve(undefined), progressMs)
    })
    const pins = await Promise.race([work, tick])
    clearTimeout(timer)
    if (pins == null || progress.blocks > 0) yield progressLine(progress)
    if (pins == null) continue
    yield { Pins: pins }
    return
  }
}

function progressLine({ blocks, bytes }: PinProgress): object {
  return {
    ...(blocks > 0 ? { Progress: blocks } : {}),
    ...(bytes > 0 ? { Bytes: bytes } : {})
  }
}

async function pinAll(request: RpcRequest, node: Node, progress: PinProgress): Promise<string[]> {
  const { options, signal } = request
  const name = options.text('name') ?? ''
  const get = reader(request, node)
  const pins: string[] = []
  for (const arg of request.args) {
    const { cid } = await resolveArg(arg, request, node)
    try {
      await node.gcLock.shared(async () => {
        if (options.bool('recursive', true)) {
          await pinRecursively(cid, name, node, get, signal, progress)
        } else {
          await pinDirectly(cid, name, request, node)
        }
      })
    } catch (error) {
      if (signal.aborted) throw signal.reason
      throw new Error(`pin: ${errorText(error)}`, { cause: error })
    }
    pins.push(request.cidText(cid))
  }
  return pins
}

async function pinDirectly(cid: CID, name: string, request: RpcRequest, node: Node): Promise<void> {
  const { signal } = request
  await reader(request, node)(cid)
  const before = await node.pins.get(cid, { signal })
  if (before?.mode === 'recursive') throw new Error(`${String(cid)} already pinned recursively`)
  await node.pins.set({ cid, mode: 'direct', name }, { signal })
}

export const pinRm: Command = {
  name: 'pin/rm',
  args: { name: 'ipfs-path', required: true },
  options: [bool('recursive', 'r')],
  run: async (request, node) => {
    const { signal, options } = request
    const pins: string[] = []
    for (const arg of request.args) {
      const { cid } = await resolveArg(arg, request, node)
      await node.gcLock.shared(async () => {
        const pin = await node.pins.get(cid, { signal })
        if (pin == null) throw new Error('not pinned or pinned indirectly')
        if (pin.mode === 'recursive' && !options.bool('recursive', true)) {
          throw new Error(`${String(cid)} is pinned recursively`)
        }
        await node.pins.remove(cid, { signal })
      })
      pins.push(request.cidText(cid))
    }
    return value({ Pins: pins })
  }
}

interface PinLine {
  Cid: string
  Name?: string
  Type: string
}

export const pinLs: Command = {
  name: 'pin/ls',
  args: { name: 'ipfs-path', required: false },
  options: [
    text('type', 't'),
    bool('quiet', 'q'),
    text('name', 'n'),
    bool('stream', 's'),
    bool('names')
  ],
  run: (request, node) => {
    const type = request.options.text('type') ?? 'all'
    checkPinName(request.options.text('name') ?? '')
    if (!['direct', 'indirect', 'recursive', 'all'].includes(type)) {
      throw new Error(`invalid type '${type}', must be one of {direct, indirect, recursive, all}`)
    }
    const lines =
      request.args.length > 0 ? pinsOf(request, node, type) : allPins(request, node, type)
    return request.options.bool('stream') ? values(lines) : collected(lines)
  }
}

async function collected(lines: AsyncIterable<PinLine>): Promise<Reply> {
  const found: Array<[string, { Type: string; Name: string }]> = []
  for await (const { Cid, Type, Name = '' } of lines) found.push([Cid, { Type, Name }])
  // in the order of Go's maps in JSON
  found.sort(([a], [b]) => (a < b ? -1 : 1))
  return value(found.length === 0 ? {} : { Keys: Object.fromEntries(found) })
}

async function* allPins(request: RpcRequest, node: Node, type: string): AsyncGenerator<PinLine> {
  const { options, signal, cidText } = request
  const part = options.text('name') ?? ''
  const names = options.bool('names') || part !== ''
  const line = (cid: CID, Type: string, name: string): PinLine => ({
    Cid: cidText(cid),
    ...(names && name !== '' ? { Name: name } : {}),
    Type
  })
  const isWanted = (pin: Pin) => pin.name.includes(part)
  for (const mode of ['direct', 'recursive'] as const) {
    if (type !== 'all' && type !== mode) continue
    for await (const pin of node.pins.list({ signal })) {
      if (pin.mode === mode && isWanted(pin)) yield line(pin.cid, mode, pin.name)
    }
  }
  if (type !== 'all' && type !== 'indirect') return
  const get = node.blocks.reader({ signal, offline: true })
  for await (const cid of collectPinned(node.pins, get, { signal })) {
    if (part === '') yield line(cid, 'indirect', '')
  }
}

async function* pinsOf(request: RpcRequest, node: Node, type: string): AsyncGenerator<PinLine> {
  const { options, signal, cidText } = request
  const names = options.bool('names') || (options.text('name') ?? '') !== ''
  const get = node.blocks.reader({ signal, offline: true })
  for (const arg of request.args) {
    const { cid } = await resolveArg(arg, request, node)
    const pin = await node.pins.get(cid, { signal })
    if (pin != null && (type === 'all' || type === pin.mode)) {
      const named = names && pin.name !== '' ? { Name: pin.name } : {}
      yield { Cid: cidText(cid), ...named, Type: pin.mode }
      continue
    }
    const through =
      type === 'all' || type === 'indirect'
        ? await pinnedThrough(cid, node.pins, get, { signal })
        : undefined
    if (through == null) throw new Error(`path '${arg}' is not pinned`)
    yield { Cid: cidText(cid), Type: `indirect through ${cidText(through)}` }
  }
}
