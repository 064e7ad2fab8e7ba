/**
 * The two engines on the rows of `npm run bench`, both in the lab (scripts/kernel-lab.sh): the same
 * kernel, CPU and disk, so that what counts is the ratio. `node bench/engines/main.ts [--size BYTES …]`
 *
 * The CPU figure is the process's own: what the kernel's ZFS does in its own threads is not in it,
 * but in the rate, since the lab has one CPU.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import type { Rows } from '../contender.ts'

const root = resolve(import.meta.dirname, '../..')
const execute = promisify(execFile)
const { values } = parseArgs({
  options: { size: { type: 'string', multiple: true, default: ['1024', '262144'] } }
})

async function measure(engine: string, contender: string, size: string): Promise<Rows> {
  const out = mkdtempSync(join(tmpdir(), 'ipfs-zfs-bench-'))
  try {
    const node = `'${process.execPath}' bench/contender.ts '${contender}' ${size} $LAB_OUT`
    const { stdout } = await execute(
      join(root, 'scripts/kernel-lab.sh'),
      ['--mem', '3072', '--out', out, '--', `IPFS_ZFS_ENGINE=${engine} ${node}`],
      { cwd: root, maxBuffer: 1 << 20 }
    )
    return JSON.parse(stdout) as Rows
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

function cell({ perSecond, cpuMicrosecondsPerBlock }: Rows[string]): string {
  return `${Math.round(perSecond).toLocaleString('en')}/s, ${cpuMicrosecondsPerBlock.toFixed(1)} µs`
}

for (const size of values.size) {
  console.log(`\n## ${Number(size).toLocaleString('en')}-byte blocks\n`)
  console.log('| | embedded | kernel | kernel / embedded |\n|---|---:|---:|---:|')
  for (const contender of ['ipfs-zfs', 'ipfs-zfs txg']) {
    const embedded = await measure('embedded', contender, size)
    const kernel = await measure('kernel', contender, size)
    for (const [row, ours] of Object.entries(embedded)) {
      const theirs = kernel[row]
      if (theirs == null) continue
      const ratio = (theirs.perSecond / ours.perSecond).toFixed(2)
      const what = contender === 'ipfs-zfs' ? row : `${row}, durable`
      console.log(`| ${what} | ${cell(ours)} | ${cell(theirs)} | ×${ratio} |`)
    }
  }
}
