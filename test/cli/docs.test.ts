import { readFile } from 'node:fs/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { reference } from '../../scripts/cli-reference.ts'

test('docs/cli.md is what the command says', async () => {
  const written = await readFile(new URL('../../docs/cli.md', import.meta.url), 'utf8')
  assert.is(written, reference(), 'run: node scripts/cli-reference.ts > docs/cli.md')
})

test.run()
