import { InvalidParametersError } from '../errors.ts'
import { writeFolder } from './folder.ts'
import type { NamedLink } from './hamt.ts'
import type { Built, PutBlock } from './node.ts'
import type { Profile } from './profile.ts'

export interface WrittenFolder {
  path: string
  built: Built
}

/** The folders of an import that are not written yet, with the files below them. */
export class Tree {
  readonly #children = new Map<string, Tree | Built>()

  folder([name, ...rest]: string[]): Tree {
    if (name == null) return this
    const child = this.#children.get(name) ?? new Tree()
    if (!(child instanceof Tree)) {
      throw new InvalidParametersError(`"${name}" is a file and a folder at once`)
    }
    this.#children.set(name, child)
    return child.folder(rest)
  }

  /** A later entry of the same name takes the place of an earlier one. */
  set(path: string[], built: Built): void {
    const name = path.at(-1)
    if (name == null) throw new InvalidParametersError('a file in a folder needs a name')
    this.folder(path.slice(0, -1)).#children.set(name, built)
  }

  /** Writes all folders, children first and by name, and this one last. */
  async *write(
    path: string,
    profile: Profile,
    put: PutBlock
  ): AsyncGenerator<WrittenFolder, Built> {
    const links: NamedLink[] = []
    for (const name of [...this.#children.keys()].sort(byBytes)) {
      const child = this.#children.get(name)
      if (child == null) continue
      const below = path === '' ? name : `${path}/${name}`
      const built = child instanceof Tree ? yield* child.write(below, profile, put) : child
      links.push({ name, built })
    }
    const built = await writeFolder(links, profile, put)
    yield { path, built }
    return built
  }
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
