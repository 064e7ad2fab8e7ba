import * as raw from 'multiformats/codecs/raw'
import { BlocksOwnedError } from '../../errors.ts'
import type { RemovedBlocks } from '../../native.ts'
import { collectGarbage } from '../../node/collect.ts'
import type { Node } from '../../node/node.ts'
import { multihashesOf } from '../../pins/blocks.ts'
import { spaceOf } from '../../repo/space.ts'
import type { RepoStat, VerifyProgress, VerifyReport } from '../../repo/types.ts'
import { rawCid } from '../../stores/block-errors.ts'
import { writeBase32Cid } from '../../unixfs/cid-ascii.ts'
import { value, values, type Command, type RpcRequest } from './command.ts'
import { errorText } from './errors.ts'
import { jsonLine } from './json.ts'
import { LineChunks } from './line-chunks.ts'
import { bool, text } from './options.ts'
import { withProgress } from './progress.ts'

/** Of the Kubo whose RPC this is. */
export const kuboRepoVersion = '18'

export const repoStat: Command = {
  name: 'repo/stat',
  options: [bool('size-only', 's'), bool('human', 'H')],
  run: async ({ options, signal }, node) => {
    const stat = await node.repo.stat({ signal })
    const sizes = capacity(stat)
    if (options.bool('size-only')) {
      return value({ ...sizes, NumObjects: 0, RepoPath: '', Version: '' })
    }
    return value({
      ...sizes,
      NumObjects: stat.blocks,
      RepoPath: stat.path,
      Version: `fs-repo@${kuboRepoVersion}`
    })
  }
}

/** Cluster allocates by the difference of the two. */
export function capacity(stat: RepoStat): { RepoSize: number; StorageMax: number } {
  const { usedBytes, totalBytes } = spaceOf(stat)
  return { RepoSize: usedBytes, StorageMax: totalBytes }
}

export const repoVersion: Command = {
  name: 'repo/version',
  options: [bool('quiet', 'q')],
  run: () => value({ Version: kuboRepoVersion })
}

export const repoGc: Command = {
  name: 'repo/gc',
  options: [bool('stream-errors'), bool('quiet', 'q'), bool('silent')],
  run: (request, node) => ({ kind: 'lines', lines: collected(request, node) })
}

async function* collected(request: RpcRequest, node: Node): AsyncGenerator<Uint8Array> {
  const { options, signal } = request
  try {
    for await (const page of collectGarbage(node, { signal })) {
      if (!options.bool('silent')) yield* removedLines(page, request)
    }
  } catch (error) {
    const isRefused = error instanceof BlocksOwnedError
    if (options.bool('stream-errors') && !signal.aborted && !isRefused) {
      yield Buffer.from(jsonLine({ Key: null, Error: errorText(error) }))
      throw new Error('encountered errors during gc run', { cause: error })
    }
    throw error
  }
}

const keyStart = Buffer.from('{"Key":{"/":"')
const keyEnd = Buffer.from('"}}\n')
/** Of what is not the multihash's own text. */
const keyBytesMax = 32

/** Raw CIDs: whoever deletes a block knows no codec. */
function removedLines(page: RemovedBlocks, { options, cidText }: RpcRequest): Uint8Array[] {
  const multihashes = multihashesOf(page)
  if (options.has('cid-base')) {
    return Array.from(multihashes, one =>
      Buffer.from(jsonLine({ Key: { '/': cidText(rawCid(one)) } }))
    )
  }
  const chunks = new LineChunks()
  for (const multihash of multihashes) {
    chunks.room(keyBytesMax + 2 * multihash.length)
    chunks.text(keyStart)
    chunks.used = writeBase32Cid(raw.code, multihash, chunks.bytes, chunks.used)
    chunks.text(keyEnd)
  }
  return chunks.take()
}

/** Kubo's command, which reads every block; ours proves most of them by their block pointers. */
export const repoVerify: Command = {
  name: 'repo/verify',
  options: [bool('drop'), bool('heal'), text('heal-timeout')],
  run: (request, node) => {
    for (const name of ['drop', 'heal']) {
      if (request.options.bool(name)) throw new Error(`option "${name}" is not supported`)
    }
    return values(verified(request, node))
  }
}

async function* verified({ signal }: RpcRequest, node: Node): AsyncGenerator<object> {
  const verifying = withProgress<VerifyProgress, VerifyReport>(report =>
    node.repo.verify({ signal, scrub: false, onProgress: report })
  )
  let shown = 0
  for (;;) {
    const step = await verifying.next()
    if (step.done === true) {
      yield* conclusion(step.value, shown)
      return
    }
    const { phase, done } = step.value
    if (phase !== 'blocks' || done <= shown) continue
    shown = done
    yield { Msg: '', Progress: done }
  }
}

function* conclusion(report: VerifyReport, shown: number): Generator<object> {
  if (report.blocks > shown) yield { Msg: '', Progress: report.blocks }
  for (const { cid, why } of report.bad) {
    yield { Msg: `block ${String(cid)} was corrupt (${why})`, Progress: 0 }
  }
  for (const fault of report.faults) yield { Msg: `repo is inconsistent: ${fault}`, Progress: 0 }
  if (report.bad.length > 0) {
    throw new Error(`verify complete, ${report.bad.length} blocks corrupt`)
  }
  if (!report.ok) throw new Error(`verify complete, ${report.faults.length} faults`)
  yield { Msg: 'verify complete, all blocks validated.', Progress: 0 }
}
