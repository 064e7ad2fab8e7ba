import type { CID } from 'multiformats/cid'
import type { Node } from '../../node/node.ts'
import { BlockMissingError } from '../../pins/errors.ts'
import { checkPinName } from '../../pins/pin-texts.ts'
import type { PinMode, PinProgress } from '../../pins/types.ts'
import { value, values, type Command, type Reply, type RpcRequest } from './command.ts'
import { BadRequestError, errorText } from './errors.ts'
import { bool, text, type Options } from './options.ts'
import { resolveArg } from './paths.ts'
import { pinLines } from './pin-lines.ts'
import { pinOptions } from './pinning.ts'

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
  const mode: PinMode = options.bool('recursive', true) ? 'recursive' : 'direct'
  const pins: string[] = []
  for (const arg of request.args) {
    const { cid } = await resolveArg(arg, request, node)
    const before = { ...progress }
    const onProgress = ({ blocks, bytes }: PinProgress) => {
      progress.blocks = before.blocks + blocks
      progress.bytes = before.bytes + bytes
    }
    try {
      await node.pins.add(cid, { ...pinOptions(request, node), mode, name, onProgress })
    } catch (error) {
      if (signal.aborted) throw signal.reason
      throw new Error(`pin: ${errorText(error)}`, { cause: error })
    }
    pins.push(request.cidText(cid))
  }
  return pins
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
      await node.pins.rm(cid, { recursive: options.bool('recursive', true), signal })
      pins.push(request.cidText(cid))
    }
    return value({ Pins: pins })
  }
}

/** Kubo's way: both are named in the answer, and the new pin has the old one's name. */
export const pinUpdate: Command = {
  name: 'pin/update',
  args: { name: 'from-path', required: true },
  options: [bool('unpin')],
  run: async (request, node) => {
    const { options, signal, cidText } = request
    const [fromArg = '', toArg] = request.args
    if (toArg == null) throw new BadRequestError('argument "to-path" is required')
    const { cid: from } = await resolveArg(fromArg, request, node)
    const { cid: to } = await resolveArg(toArg, request, node)
    const isNew = !from.equals(to) && (await node.pins.get(from, { signal }))?.mode === 'recursive'
    if (isNew && (await node.pins.get(to, { signal }))?.mode === 'recursive') {
      throw new Error("'to' cid was already recursively pinned")
    }
    const unpin = options.bool('unpin', true)
    try {
      await node.pins.update(from, to, { ...pinOptions(request, node), unpin })
    } catch (error) {
      // in Kubo's words
      throw error instanceof BlockMissingError
        ? new Error(`get ${String(to)}: ${error.message}`)
        : error
    }
    return value({ Pins: [cidText(from), cidText(to)] })
  }
}

export const pinVerify: Command = {
  name: 'pin/verify',
  options: [bool('verbose'), bool('quiet', 'q')],
  run: (request, node) => {
    const { options } = request
    if (options.bool('verbose') && options.bool('quiet')) {
      throw new Error('the --verbose and --quiet options can not be used at the same time')
    }
    return values(verified(request, node))
  }
}

async function* verified(request: RpcRequest, node: Node): AsyncGenerator<object> {
  const { options, signal, cidText } = request
  for await (const { cid, ok, bad } of node.pins.verify({ signal })) {
    if (ok && !options.bool('verbose')) continue
    const BadNodes = bad.map(one => ({ Cid: cidText(one.cid), Err: one.why }))
    yield {
      Cid: cidText(cid),
      ...(ok ? { Ok: true } : {}),
      ...(BadNodes.length > 0 && !options.bool('quiet') ? { BadNodes } : {})
    }
  }
}

type PinType = PinMode | 'indirect' | 'all'

function checkType(type: string): asserts type is PinType {
  if (['direct', 'indirect', 'recursive', 'all'].includes(type)) return
  throw new Error(`invalid type '${type}', must be one of {direct, indirect, recursive, all}`)
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
    checkType(type)
    const { args, options, signal } = request
    const isStream = options.bool('stream')
    if (
      isStream &&
      args.length === 0 &&
      type !== 'all' &&
      type !== 'indirect' &&
      isPlain(options)
    ) {
      return { kind: 'lines', lines: pinLines(node.pins.lsPages({ signal }), type) }
    }
    const lines = args.length > 0 ? pinsOf(request, node, type) : allPins(request, node, type)
    return isStream ? values(lines) : collected(lines)
  }
}

/** What Cluster asks for, and what may be millions: CIDs as they are, without names. */
function isPlain(options: Options): boolean {
  const others = ['cid-base', 'upgrade-cidv0-in-output', 'names', 'name']
  return !others.some(name => options.has(name))
}

async function collected(lines: AsyncIterable<PinLine>): Promise<Reply> {
  const found: Array<[string, { Type: string; Name: string }]> = []
  for await (const { Cid, Type, Name = '' } of lines) found.push([Cid, { Type, Name }])
  // in the order of Go's maps in JSON
  found.sort(([a], [b]) => (a < b ? -1 : 1))
  return value(found.length === 0 ? {} : { Keys: Object.fromEntries(found) })
}

async function* allPins(request: RpcRequest, node: Node, type: PinType): AsyncGenerator<PinLine> {
  const { options, signal, cidText } = request
  const part = options.text('name') ?? ''
  const names = options.bool('names') || part !== ''
  const line = (cid: CID, Type: string, name: string): PinLine => ({
    Cid: cidText(cid),
    ...(names && name !== '' ? { Name: name } : {}),
    Type
  })
  for (const mode of ['direct', 'recursive'] as const) {
    if (type !== 'all' && type !== mode) continue
    for await (const pin of node.pins.ls({ mode, signal })) {
      if (pin.name.includes(part)) yield line(pin.cid, mode, pin.name)
    }
  }
  if ((type !== 'all' && type !== 'indirect') || part !== '') return
  for await (const cid of node.pins.lsIndirect({ signal })) yield line(cid, 'indirect', '')
}

async function* pinsOf(request: RpcRequest, node: Node, type: PinType): AsyncGenerator<PinLine> {
  const { options, signal, cidText } = request
  const names = options.bool('names') || (options.text('name') ?? '') !== ''
  for (const arg of request.args) {
    const { cid } = await resolveArg(arg, request, node)
    const state = await node.pins.isPinned(cid, { type, through: true, signal })
    if (state == null) throw new Error(`path '${arg}' is not pinned`)
    const through = state.through == null ? '' : ` through ${cidText(state.through)}`
    const named = names && state.name !== '' ? { Name: state.name } : {}
    yield { Cid: cidText(cid), ...named, Type: state.type + through }
  }
}
