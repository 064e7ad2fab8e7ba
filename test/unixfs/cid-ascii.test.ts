/** Against the general encoders and decoders, with random bytes of all lengths. */
import { base32 } from 'multiformats/bases/base32'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { writeBase32, writeBase58 } from '../../src/unixfs/cid-ascii.ts'
import { parseCid } from '../../src/unixfs/cid-text.ts'
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

test('reading: the usual form and its neighbours are what multiformats reads, or refuses', () => {
  for (let i = 0; i < 3000; i++) {
    const digest = Digest.create(random.int(8) === 0 ? 0x16 : 0x12, random.bytes(32))
    const cid = CID.createV1(random.pick([0x55, 0x70, 0x71, 0x0129]), digest)
    let text = cid.toString()
    if (random.int(2) === 0) {
      const at = 1 + random.int(text.length - 1)
      text = text.slice(0, at) + random.pick([...'abz27Aé01']) + text.slice(at + 1)
    }
    const wanted = attempt(() => CID.decode(base32.decode(text)))
    assert.is(
      attempt(() => parseCid(text)),
      wanted,
      text
    )
  }
})

/** A CID with its parts, as text; or that there is none. */
function attempt(parse: () => CID): string {
  try {
    const { version, code, bytes, multihash } = parse()
    const hex = (one: Uint8Array) => Buffer.from(one).toString('hex')
    return [
      version,
      code,
      multihash.code,
      ...[bytes, multihash.bytes, multihash.digest].map(hex)
    ].join()
  } catch {
    return 'none'
  }
}

test.run()
