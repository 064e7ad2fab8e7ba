/** Streams cut and resumed by token, between the engines. STREAMS=all: and by the kernel alone. */
import { join } from 'node:path'
import { suite } from 'uvu'
import { RECEIVER_POOL, SENDER_POOL } from '../resumed-streams.ts'
import { labFolder, labTests } from './lab.ts'
import { folderOf, inOneBoot } from './pairs.ts'
import { expectCleanPool } from './zdb.ts'

const test = suite('resumed streams')
const labTest = labTests(test)

const pairs = [
  ['embedded', 'kernel'],
  ['kernel', 'embedded']
]
if (process.env['STREAMS'] === 'all') pairs.push(['kernel', 'kernel'])

labTest('each engine receives what the other sends, cut and resumed', async () => {
  const out = labFolder()
  await inOneBoot('test/kernel/inside/resumed-streams.ts', out, pairs)
  const pools = [SENDER_POOL, RECEIVER_POOL]
  const checks = pairs.flatMap(pair =>
    pools.map(async pool => expectCleanPool(join(out, folderOf(pair)), pool))
  )
  await Promise.all(checks)
})

test.run()
