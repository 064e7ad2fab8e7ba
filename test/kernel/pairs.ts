/** Sending and receiving engines, pair after pair in one boot of the lab. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { inLab, nodeCommand, quote } from './lab.ts'

/** Where the pools of a pair are, in the folder that the lab has as /run/lab/out. */
export function folderOf(pair: string[]): string {
  return pair.join('-to-')
}

/** Runs `file FOLDER SENDER RECEIVER` for each pair. */
export async function inOneBoot(file: string, out: string, pairs: string[][]): Promise<void> {
  const commands = pairs.map(pair => {
    const folder = folderOf(pair)
    mkdirSync(join(out, folder))
    return `echo ${quote(folder)} && ${nodeCommand(file, [`/run/lab/out/${folder}`, ...pair])}`
  })
  const ran = await inLab(commands.join(' && '), { out })
  assert.is(ran.code, 0, ran.stdout + ran.stderr)
}
