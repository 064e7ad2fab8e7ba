/** A real tree of thousands of files: the pinned source of OpenZFS. */
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** The tree's folder; unpacked into `folder` unless it is one already. */
export function sourceTree(folder: string): string {
  const source = execFileSync('scripts/openzfs.sh', ['source'], { encoding: 'utf8' }).trim()
  if (statSync(source).isDirectory()) return source
  execFileSync('tar', ['xf', source, '-C', folder, '--strip-components=1'])
  return folder
}

/** Relative paths of the regular files below `root`, sorted. */
export async function filesBelow(root: string): Promise<string[]> {
  const paths = await readdir(root, { recursive: true })
  const files: string[] = []
  for (const path of paths.sort()) {
    if ((await lstat(join(root, path))).isFile()) files.push(path)
  }
  return files
}
