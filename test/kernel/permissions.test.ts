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
  granted?: string[]
  /** Of the command line. */
  code?: number
  stderr?: string
  /** Of a call without that permission. */
  missing?: string
  error?: { code: string; message: string } | null
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
  const byCommand = lines
    .filter(({ what }) => /^(block|snapshot) /.test(what))
    .filter(({ missing }) => missing == null)
  assert.is(byCommand.length, 4)
  for (const { what, code, stderr } of byCommand) assert.is(code, 0, `${what}: ${stderr}`)
  // What a call needs, and cannot do without.
  const needs: Record<string, string> = {
    snapshot: 'snapshot create',
    rollback: 'snapshot rollback',
    destroy: 'snapshot destroy'
  }
  for (const [missing, what] of Object.entries(needs)) {
    const line = lines.find(found => found.what === what && found.missing === missing)
    assert.is(line?.error?.code, 'ERR_NOT_WRITABLE', JSON.stringify(line))
    const says = new RegExp(`\`zfs allow -u nobody \\S*${missing}\\S* tank/ipfs`)
    assert.match(line?.error?.message ?? '', says)
  }
  // New files are made whenever a repo is opened.
  for (const { missing, error } of lines) {
    if (missing !== 'recordsize') continue
    assert.is(error?.code, 'ERR_NOT_WRITABLE')
    assert.match(error?.message ?? '', /`zfs allow -u nobody recordsize tank\/ipfs\/\S+`/)
  }
  assert.ok(NEEDED.every(missing => lines.some(line => line.missing === missing)))
  // And what it can do when it lacks another one.
  for (const missing of ['rollback', 'destroy', 'mount', 'reservation']) {
    const created = lines.find(line => line.missing === missing && line.what === 'snapshot create')
    assert.is(created?.error, null, JSON.stringify(created))
  }
})

test.run()
