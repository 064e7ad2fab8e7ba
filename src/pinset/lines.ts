import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { CID } from 'multiformats/cid'
import { parseCid } from '../unixfs/cid-text.ts'
import { BadMemberError } from './errors.ts'

/** One CID a line; empty lines, and what follows a `#`, are passed over. BadMemberError. */
export async function* cidLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<CID> {
  const lines = createInterface({ input: Readable.from(source), crlfDelay: Infinity })
  let number = 0
  for await (const line of lines) {
    number++
    const text = line.replace(/#.*/, '').trim()
    if (text === '') continue
    try {
      yield parseCid(text)
    } catch (error) {
      throw new BadMemberError(number, text, error instanceof Error ? error.message : String(error))
    }
  }
}
