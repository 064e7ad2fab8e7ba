/** Against the general encoders, with random bytes of all lengths. */
import { base32 } from 'multiformats/bases/base32'
import { base58btc } from 'multiformats/bases/base58'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { writeBase32, writeBase58 } from '../../src/unixfs/cid-ascii.ts'
import { Random } from '../random.ts'

const random = new Random('texts of CIDs')

function written(write: typeof writeBase32, bytes: Uint8Array): string {
  const out = new Uint8Array(1024)
  const end = write(bytes, out, 3)
  return Buffer.from(out.subarray(3, end)).toString('latin1')
}

function someBytes(): Uint8Array {
  const bytes = random.bytes(random.int(70))
  if (random.int(3) === 0) bytes.fill(0, 0, random.int(5))
  return bytes
}

test('base32 and base58 are those of multiformats', () => {
  for (let i = 0; i < 5000; i++) {
    const bytes = someBytes()
    assert.is(written(writeBase32, bytes), base32.baseEncode(bytes))
    assert.is(written(writeBase58, bytes), base58btc.baseEncode(bytes))
  }
})

test('the edges: nothing, zeros, all ones', () => {
  for (const bytes of [[], [0], [0, 0, 0], [1], [57], [58], new Array<number>(34).fill(255)]) {
    const given = Uint8Array.from(bytes)
    assert.is(written(writeBase32, given), base32.baseEncode(given))
    assert.is(written(writeBase58, given), base58btc.baseEncode(given))
  }
})

test.run()
