/** Makes a repo in the folder given, says so, and holds it until standard input ends. */
import { openRepo } from '../../src/index.ts'

const path = process.argv[2] ?? ''
const repo = await openRepo({ path, create: true, pool: { sizeBytes: 128 * 1024 * 1024 } })
console.log('held')
process.stdin.resume()
process.stdin.on('end', () => void repo.close())
