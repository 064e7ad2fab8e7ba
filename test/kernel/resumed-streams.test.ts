/** Streams cut and resumed by token, between the engines. STREAMS=all: and by the kernel alone. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RECEIVER_POOL, SENDER_POOL } from '../resumed-streams.ts'
import { inLab, labFolder, labTests, nodeCommand } from './lab.ts'
import { expectCleanPool } from './zdb.ts'

const test = suite('resumed streams')
const labTest = labTests(test)

const pairs = [
  ['embedded', 'kernel'],
  ['kernel', 'embedded']
]
if (process.env['STREAMS'] === 'all') pairs.push(['kernel', 'kernel'])

for (const [sender = '', receiver = ''] of pairs) {
  labTest(`sent by ${sender}, cut, and received by ${receiver}`, async () => {
    const out = labFolder()
    const args = ['/run/lab/out', sender, receiver]
    const ran = await inLab(nodeCommand('test/kernel/inside/resumed-streams.ts', args), { out })
    assert.is(ran.code, 0, ran.stdout + ran.stderr)
    expectCleanPool(out, SENDER_POOL)
    expectCleanPool(out, RECEIVER_POOL)
  })
}

test.run()
