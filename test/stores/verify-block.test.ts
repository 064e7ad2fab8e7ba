import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HashMismatchError, verifyBlock } from '../../src/index.ts'

const test = suite('verifyBlock')
const bytes = new TextEncoder().encode('hello')
const other = new TextEncoder().encode('hullo')

function cidOf(code: number, digest: Uint8Array): CID {
  return CID.createV1(raw.code, Digest.create(code, new Uint8Array(digest)))
}

const FUNCTIONS: Array<[code: number, name: string]> = [
  [0x11, 'sha1'],
  [0x12, 'sha256'],
  [0x13, 'sha512'],
  [0x16, 'sha3-256'],
  [0x20, 'sha384'],
  [0xb240, 'blake2b512'],
  [0xb260, 'blake2s256']
]

for (const [code, name] of FUNCTIONS) {
  test(name, () => {
    const cid = cidOf(code, createHash(name).update(bytes).digest())
    assert.is(verifyBlock(cid, bytes), true)
    assert.throws(
      () => verifyBlock(cid, other),
      (error: unknown) =>
        error instanceof HashMismatchError && error.message.includes(cid.toString())
    )
  })
}

test('a function unknown here proves nothing', () => {
  assert.is(verifyBlock(cidOf(0x300001, new Uint8Array(32)), bytes), false)
})

test('identity', () => {
  assert.is(verifyBlock(cidOf(0, bytes), bytes), true)
  assert.throws(() => verifyBlock(cidOf(0, bytes), other), /do not match/)
})

test('a digest cut to 20 bytes is compared; a shorter one is refused', () => {
  const digest = createHash('sha256').update(bytes).digest()
  assert.is(verifyBlock(cidOf(0x12, digest.subarray(0, 20)), bytes), true)
  assert.throws(() => verifyBlock(cidOf(0x12, digest.subarray(0, 4)), bytes), /proves nothing/)
})

test('a digest longer than its function gives does not match', () => {
  const digest = createHash('sha256').update(bytes).digest()
  const longer = Buffer.concat([digest, Buffer.alloc(4)])
  assert.throws(() => verifyBlock(cidOf(0x12, longer), bytes), /do not match/)
})

test.run()
