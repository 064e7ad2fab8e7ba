import { malformed, RequestError } from './failure.ts'
import { checkKey } from './keys.ts'
import type { Limits } from './limits.ts'

/** One operation of a batch; no value: a delete. Both are views of the body. */
export interface Operation {
  key: Uint8Array
  value?: Uint8Array
}

const END = 0
const PUT = 1
const DELETE = 2
/** Kind, length of the key (16 bits), length of the value (32 bits). */
const HEAD_BYTES = 7
/** Kind, number of operations (32 bits). */
const END_BYTES = 5

function bad(message: string): RequestError {
  return malformed('ERR_MALFORMED_BATCH', message)
}

/** All of a batch, or an error: nothing of a batch is done before its last byte was understood. */
export function parseBatch(body: Uint8Array, limits: Limits): Operation[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const operations: Operation[] = []
  let at = 0
  for (;;) {
    if (at + END_BYTES > body.byteLength) {
      throw bad(`the batch has no end mark; it was cut off at byte ${body.byteLength}`)
    }
    const kind = view.getUint8(at)
    if (kind === END) {
      checkEnd(view, at, operations.length)
      return operations
    }
    if (operations.length === limits.batchOperations) {
      const most = `at most ${limits.batchOperations} operations`
      throw new RequestError(413, 'ERR_TOO_LARGE', `a batch has ${most}`)
    }
    at = parseOperation(body, view, at, limits, operations)
  }
}

function checkEnd(view: DataView, at: number, operations: number): void {
  const count = view.getUint32(at + 1)
  if (count !== operations) {
    throw bad(`the end mark says ${count} operations, and there are ${operations}`)
  }
  if (at + END_BYTES !== view.byteLength) {
    throw bad(`${view.byteLength - at - END_BYTES} bytes follow the end mark`)
  }
}

function parseOperation(
  body: Uint8Array,
  view: DataView,
  at: number,
  limits: Limits,
  into: Operation[]
): number {
  const where = `operation ${into.length} at byte ${at}`
  const kind = view.getUint8(at)
  if (kind !== PUT && kind !== DELETE) {
    throw bad(`${where}: there is no operation of kind ${kind}`)
  }
  const keyAt = at + HEAD_BYTES
  if (keyAt > body.byteLength) {
    throw bad(`${where}: the body ends within it`)
  }
  const valueAt = keyAt + view.getUint16(at + 1)
  const end = valueAt + view.getUint32(at + 3)
  if (end > body.byteLength) {
    throw bad(`${where}: the body ends within it`)
  }
  if (kind === DELETE && end !== valueAt) {
    throw bad(`${where}: a delete has no value`)
  }
  const key = checkKey(body.subarray(keyAt, valueAt), limits.keyBytes)
  into.push(kind === PUT ? { key, value: body.subarray(valueAt, end) } : { key })
  return end
}
