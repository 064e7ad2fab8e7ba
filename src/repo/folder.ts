import { access, constants } from 'node:fs/promises'
import { NotWritableError } from '../errors.ts'

const NOT_WRITABLE = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ENOENT'])

/** Gives a repo's folder that cannot be made or written a name of its own among errors. */
export async function asNotWritable<T>(folder: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code != null && NOT_WRITABLE.has(code)) {
      throw new NotWritableError(
        `the repo's folder ${folder} cannot be written (${message}): give another path, ` +
          'or permission to write there'
      )
    }
    throw error
  }
}

export async function checkWritable(folder: string): Promise<void> {
  await asNotWritable(folder, access(folder, constants.R_OK | constants.W_OK))
}
