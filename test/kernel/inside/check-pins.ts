/**
 * Opens a repo after a crash of test/pins/crash-child.ts and checks its pins. What was pinned before
 * is in FOLDER/pinned, an array of CIDs, and so is what is pinned afterwards; FOLDER/said has the
 * child's lines.
 *
 *   check-pins.ts REPO FOLDER DAG-SEED
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openRepo } from '../../../src/index.ts'
import { expectPinsHold } from '../../pins/after-crash.ts'
import { randomBlocks } from '../../pins/dag-model.ts'
import { Random } from '../../random.ts'

const [path = '', folder = '', dagSeed = '0'] = process.argv.slice(2)
const pinned = new Set(JSON.parse(readFileSync(join(folder, 'pinned'), 'utf8')) as string[])
const lines = readFileSync(join(folder, 'said'), 'utf8').split('\n')
const dag = randomBlocks(400, new Random('dag', Number(dagSeed)))
const repo = await openRepo({ path })
await expectPinsHold(repo, dag, pinned, lines)
await repo.close()
writeFileSync(join(folder, 'pinned'), JSON.stringify([...pinned]))
console.log(`${lines.length} lines, ${pinned.size} pins`)
