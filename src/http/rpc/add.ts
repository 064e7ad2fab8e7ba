import type { Node } from '../../node/node.ts'
import { checkPinName } from '../../pins/pin-texts.ts'
import { addEntries, type AddEntry, type AddEvent } from '../../unixfs/add.ts'
import { BlockWriter } from '../../unixfs/block-writer.ts'
import { hasherByName, identityBytesMax } from '../../unixfs/hashers.ts'
import { parseChunker, type Profile } from '../../unixfs/profile.ts'
import { values, type Command, type RpcRequest } from './command.ts'
import type { Part } from './multipart.ts'
import { bool, int, text, type Options } from './options.ts'
import { pinRecursively } from './pinning.ts'

const progressBytes = 256 * 1024
const symlinkBytesMax = 64 * 1024

/** Asked for, these would change CIDs or say something untrue if they were passed over. */
const refused = [
  'trickle',
  'nocopy',
  'fscache',
  'preserve-mode',
  'preserve-mtime',
  'mode',
  'mtime',
  'mtime-nsecs',
  'to-files',
  'max-file-links',
  'max-directory-links',
  'max-hamt-fanout'
] as const

export const add: Command = {
  name: 'add',
  file: 'path',
  options: [
    bool('progress', 'p'),
    bool('only-hash', 'n'),
    bool('wrap-with-directory', 'w'),
    bool('pin'),
    text('pin-name'),
    int('cid-version'),
    text('hash'),
    bool('raw-leaves'),
    text('chunker', 's'),
    bool('inline'),
    int('inline-limit'),
    bool('quiet', 'q'),
    bool('quieter', 'Q'),
    bool('silent'),
    bool('trickle', 't'),
    bool('nocopy'),
    bool('fscache'),
    bool('preserve-mode'),
    bool('preserve-mtime'),
    text('mode'),
    text('mtime'),
    text('mtime-nsecs'),
    text('to-files'),
    text('max-file-links'),
    text('max-directory-links'),
    text('max-hamt-fanout')
  ],
  run: (request, node) => {
    const { options } = request
    for (const name of refused) {
      if (options.bool(name) || options.text(name) != null) {
        throw new Error(`option "${name}" is not supported`)
      }
    }
    const profile = readProfile(options)
    const pinName = options.text('pin-name')
    if (pinName != null) {
      if (!options.bool('pin', true)) throw new Error('pin-name option requires pin to be set')
      checkPinName(pinName)
    }
    return values(added(request, node, profile))
  }
}

/** Kubo's defaults: version 0 unless something asks for more, raw leaves from version 1 on. */
function readProfile(options: Options): Profile {
  const hash = options.text('hash') ?? ''
  const hasher = hasherByName(hash === '' ? 'sha2-256' : hash)
  if (hasher == null || hasher.name === 'identity') {
    throw new Error(`unrecognized hash function: ${JSON.stringify(hash.toLowerCase())}`)
  }
  const isPlain = hasher.name === 'sha2-256'
  const version = options.number('cid-version') ?? (isPlain ? 0 : 1)
  if (version !== 0 && version !== 1) throw new Error(`unknown CID version: ${version}`)
  if (version === 0 && !isPlain) throw new Error('CIDv0 only supports sha2-256')
  const inlineLimit = options.number('inline-limit') ?? 32
  if (options.bool('inline') && inlineLimit > identityBytesMax) {
    throw new Error(
      `inline-limit ${inlineLimit} exceeds maximum allowed size of ${identityBytesMax} bytes`
    )
  }
  return {
    cidVersion: version,
    rawLeaves: options.bool('raw-leaves', version === 1),
    chunkBytes: parseChunker(options.text('chunker') ?? ''),
    hasher,
    ...(options.bool('inline') ? { inlineBytes: inlineLimit } : {})
  }
}

async function* added(request: RpcRequest, node: Node, profile: Profile): AsyncGenerator<object> {
  const { options, signal } = request
  const onlyHash = options.bool('only-hash')
  const writer = new BlockWriter(node.blocks.store, { signal }, cids => node.announce(cids))
  const events = addEntries(entries(request.parts()), {
    profile,
    put: onlyHash ? () => {} : (cid, bytes) => writer.put(cid, bytes),
    wrap: options.bool('wrap-with-directory'),
    ...(options.bool('progress') ? { progressBytes } : {})
  })
  const pin = options.bool('pin', true) && !onlyHash
  await node.gcLock.acquire(false)
  try {
    for await (const event of events) {
      if (event.kind !== 'root') {
        if (!options.bool('silent')) yield eventLine(event, request)
        continue
      }
      await writer.flush()
      const name = options.text('pin-name') ?? ''
      if (pin) await pinRecursively(event.cid, node, { name, signal })
    }
    await writer.flush()
  } finally {
    node.gcLock.release(false)
  }
}

function eventLine(event: Exclude<AddEvent, { kind: 'root' }>, request: RpcRequest): object {
  if (event.kind === 'progress') {
    return { Name: event.path, ...(event.bytes > 0 ? { Bytes: event.bytes } : {}) }
  }
  return {
    Name: event.path,
    Hash: request.cidText(event.cid),
    Size: String(event.cumulativeBytes)
  }
}

async function* entries(parts: AsyncIterable<Part>): AsyncGenerator<AddEntry> {
  let any = false
  for await (const { path, contentType, content } of parts) {
    any = true
    if (contentType === 'application/x-directory') yield { kind: 'folder', path }
    else if (contentType === 'application/symlink') {
      yield { kind: 'symlink', path, target: await readTarget(content) }
    } else yield { kind: 'file', path, content }
  }
  if (!any) throw new Error('expected a file argument')
}

async function readTarget(content: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of content) {
    pieces.push(piece)
    bytes += piece.byteLength
    if (bytes > symlinkBytesMax) throw new Error('the target of a symbolic link is too long')
  }
  return Buffer.concat(pieces).toString()
}
