/** Streams cut and resumed by token, in process; test/kernel has them with the kernel's ZFS. */
import { test } from 'uvu'
import { expectCleanPool } from '../kernel/zdb.ts'
import { labFolder } from '../kernel/lab.ts'
import { RECEIVER_POOL, SENDER_POOL, resumedStreams } from '../resumed-streams.ts'

test('a cut stream goes on where it was cut, and a token that does not fit says so', async () => {
  const folder = labFolder()
  await resumedStreams(folder, 'embedded', 'embedded')
  await Promise.all([SENDER_POOL, RECEIVER_POOL].map(async pool => expectCleanPool(folder, pool)))
})

test.run()
