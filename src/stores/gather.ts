import { TooLargeError } from '../errors.ts'

/** A value as the stores take it: whole, or in pieces. */
export type Pieces = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/**
 * The bytes of all pieces in one array; a lone piece is not copied. TooLargeError as soon as there
 * are more than `maxBytes`; `what` names the value in it.
 */
export async function gather(
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  maxBytes: number,
  what: string
): Promise<Uint8Array> {
  const list: Uint8Array[] = []
  let length = 0
  for await (const piece of pieces) {
    list.push(piece)
    length += piece.byteLength
    if (length > maxBytes) {
      throw tooLarge(what, length, maxBytes)
    }
  }
  const [first] = list
  if (list.length === 1 && first != null) {
    return first
  }
  const whole = new Uint8Array(length)
  let at = 0
  for (const piece of list) {
    whole.set(piece, at)
    at += piece.byteLength
  }
  return whole
}

export function tooLarge(what: string, length: number, maxBytes: number): TooLargeError {
  return new TooLargeError(`${what} has ${length} bytes or more; at most ${maxBytes} are stored`)
}
