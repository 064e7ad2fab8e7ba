/** Streams sent by one engine and received by the other, in the lab. STREAMS=all: and by the same. */
import { join } from 'node:path'
import { suite } from 'uvu'
import { labFolder, labTests } from './lab.ts'
import { folderOf, inOneBoot } from './pairs.ts'
import { expectCleanPool } from './zdb.ts'

const test = suite('streams')
const labTest = labTests(test)

const pairs = [
  ['embedded', 'kernel'],
  ['kernel', 'embedded']
]
if (process.env['STREAMS'] === 'all') pairs.push(['kernel', 'kernel'], ['embedded', 'embedded'])

labTest('each engine receives what the other sends', async () => {
  const out = labFolder()
  await inOneBoot('test/kernel/inside/streams.ts', out, pairs)
  await Promise.all(pairs.map(pair => expectCleanPool(join(out, folderOf(pair)), 'onto')))
})

test.run()
