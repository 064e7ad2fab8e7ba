/** Streams sent by one engine and received by the other, in the lab. STREAMS=all: and by the same. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { inLab, labFolder, nodeCommand, labTests } from './lab.ts'
import { expectCleanPool } from './zdb.ts'

const test = suite('streams')
const labTest = labTests(test)

const pairs = [
  ['embedded', 'kernel'],
  ['kernel', 'embedded']
]
if (process.env['STREAMS'] === 'all') pairs.push(['kernel', 'kernel'], ['embedded', 'embedded'])

for (const [sender = '', receiver = ''] of pairs) {
  labTest(`sent by ${sender}, received by ${receiver}`, async () => {
    const out = labFolder()
    const args = ['/run/lab/out', sender, receiver]
    const ran = await inLab(nodeCommand('test/kernel/inside/streams.ts', args), { out })
    assert.is(ran.code, 0, ran.stdout + ran.stderr)
    expectCleanPool(out, 'onto')
  })
}

test.run()
