/** A user who is not root: with what `zfs allow` gives, and without each of it in turn. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { inLab, labFolder, nodeCommand, labTests } from './lab.ts'
import { NEEDED } from './permissions.ts'
import { toolsFolder } from './zdb.ts'

const test = suite('kernel permissions')
const labTest = labTests(test)

interface Line {
  what: string
  missing?: string
  code?: number
  stderr?: string
  granted?: string[]
}

labTest('works with them, and says exactly what to grant without', async () => {
  const inside = nodeCommand('test/kernel/inside/permissions.ts', ['/run/lab/out'])
  const command = `export PATH=${toolsFolder()}:$PATH; chmod 755 /run/lab/out; ${inside}`
  const ran = await inLab(command, { out: labFolder() })
  assert.is(ran.code, 0, ran.stdout + ran.stderr)
  const lines = ran.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Line)
  const asked = lines.find(({ what }) => what === 'asked for')
  assert.match(asked?.granted?.[0] ?? '', /^create,mount/, ran.stdout)
  assert.is(lines.find(({ what }) => what === 'made by root')?.code, 0, ran.stdout)
  for (const { what, missing, code, stderr } of lines) {
    if (missing === '') assert.is(code, 0, `${what}: ${stderr}`)
  }
  // What a command needs, and cannot do without.
  const needs: Record<string, string> = {
    snapshot: 'snapshot create',
    rollback: 'snapshot rollback',
    destroy: 'snapshot destroy'
  }
  for (const [missing, what] of Object.entries(needs)) {
    const line = lines.find(found => found.what === what && found.missing === missing)
    assert.is(line?.code, 1, JSON.stringify(line))
    const { error } = JSON.parse(line?.stderr ?? '') as { error: { code: string; message: string } }
    assert.is(error.code, 'ERR_NOT_WRITABLE')
    assert.match(error.message, new RegExp(`\`zfs allow -u nobody \\S*${missing}\\S* tank/ipfs`))
  }
  assert.ok(NEEDED.every(missing => lines.some(line => line.missing === missing)))
})

test.run()
