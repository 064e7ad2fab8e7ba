import type { CID } from 'multiformats/cid'
import { parseCid } from '../unixfs/cid-text.ts'
import { BadMemberError } from './errors.ts'

/** One CID a line; empty lines, and what follows a `#`, are passed over. BadMemberError. */
export async function* cidLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<CID> {
  let number = 0
  for await (const lines of lineGroups(source)) {
    for (const line of lines) {
      number++
      const text = line.replace(/#.*/, '').trim()
      if (text === '') continue
      yield parseLine(text, number)
    }
  }
}

function parseLine(text: string, number: number): CID {
  try {
    return parseCid(text)
  } catch (error) {
    throw new BadMemberError(number, text, error instanceof Error ? error.message : String(error))
  }
}

/** The lines that end in each chunk: many at a time, since waiting for each costs more than it. */
async function* lineGroups(source: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of source) {
    rest += decoder.decode(chunk, { stream: true })
    // a return at the very end may be half of what ends a line
    const lines = rest.split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop() ?? ''
    yield lines
  }
  const last = rest + decoder.decode()
  if (last !== '') yield last.split('\r')
}
