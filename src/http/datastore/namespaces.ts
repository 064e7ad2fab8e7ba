import type { Datastore } from 'interface-datastore'
import { Key } from 'interface-datastore'
import { malformed, RequestError } from './failure.ts'

/**
 * Which keys of a namespace are blocks: `blocks` those like `/CIQ…` (what a store mounted at
 * /blocks sees), `root` those like `/blocks/CIQ…`, `records` none. All others are keyed records.
 */
export type NamespaceLayout = 'blocks' | 'records' | 'root'

export interface Namespace {
  name: string
  layout: NamespaceLayout
  /** ISO 8601. */
  created: string
}

const LAYOUTS: readonly NamespaceLayout[] = ['blocks', 'records', 'root']
const REGISTRY = '/ipfs-zfs/remote/namespaces/'
const DATA = '/ipfs-zfs/remote/data/'
const NAME = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$/
const DELETE_WINDOW = 512

/** What the keys of a namespace's records begin with. */
export function recordPrefix(name: string): string {
  return DATA + name
}

export function isLayout(text: string | undefined): text is NamespaceLayout {
  return LAYOUTS.some(layout => layout === text)
}

/**
 * The namespace whose client decides which blocks stay: a Kubo collects by its own pins. Nobody
 * else may collect in such a repo, because nobody else knows those pins.
 */
export async function ownerOfBlocks(records: Datastore): Promise<Namespace | undefined> {
  for await (const { value } of records.query({ prefix: REGISTRY })) {
    const namespace = JSON.parse(new TextDecoder().decode(value)) as Namespace
    if (namespace.layout !== 'records') {
      return namespace
    }
  }
  return undefined
}

/** The namespaces of a repo. Each is one record; they are few, and all are kept in memory. */
export class Namespaces {
  readonly #records: Datastore
  readonly #known: Map<string, Namespace>

  private constructor(records: Datastore, known: Map<string, Namespace>) {
    this.#records = records
    this.#known = known
  }

  static async load(records: Datastore): Promise<Namespaces> {
    const known = new Map<string, Namespace>()
    for await (const { value } of records.query({ prefix: REGISTRY })) {
      const namespace = JSON.parse(new TextDecoder().decode(value)) as Namespace
      known.set(namespace.name, namespace)
    }
    return new Namespaces(records, known)
  }

  list(): Namespace[] {
    return [...this.#known.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  get(name: string): Namespace {
    const namespace = this.#known.get(name)
    if (namespace == null) {
      throw new RequestError(404, 'ERR_UNKNOWN_NAMESPACE', `there is no namespace ${name}`)
    }
    return namespace
  }

  /** Makes it when there is none; one that is there must have this layout. */
  async open(name: string, layout: NamespaceLayout): Promise<Namespace> {
    if (!NAME.test(name)) {
      const allowed = '1 to 128 letters, digits and . _ ~ -, beginning with a letter or digit'
      throw malformed('ERR_MALFORMED_NAMESPACE', `a namespace has a name of ${allowed}`)
    }
    const known = this.#known.get(name)
    if (known != null && known.layout !== layout) {
      const message = `namespace ${name} has layout ${known.layout}, not ${layout}`
      throw new RequestError(409, 'ERR_LAYOUT', message)
    }
    if (known != null) {
      return known
    }
    this.#checkOwner(layout)
    const namespace = { name, layout, created: new Date().toISOString() }
    // Known before it is stored: a second one must not come in between.
    this.#known.set(name, namespace)
    try {
      const value = new TextEncoder().encode(JSON.stringify(namespace))
      await this.#records.put(new Key(REGISTRY + name), value)
    } catch (error) {
      this.#known.delete(name)
      throw error
    }
    return namespace
  }

  /** Its records go. Blocks are no one's: they stay, for whoever collects garbage. */
  async destroy(name: string): Promise<void> {
    this.get(name)
    const prefix = `${recordPrefix(name)}/`
    for (let keys = await this.#some(prefix); keys.length > 0; keys = await this.#some(prefix)) {
      const batch = this.#records.batch()
      keys.forEach(key => batch.delete(key))
      await batch.commit()
    }
    await this.#records.delete(new Key(REGISTRY + name))
    this.#known.delete(name)
  }

  async #some(prefix: string): Promise<Key[]> {
    const keys: Key[] = []
    for await (const key of this.#records.queryKeys({ prefix, limit: DELETE_WINDOW })) {
      keys.push(key)
    }
    return keys
  }

  #checkOwner(layout: NamespaceLayout): void {
    const owner = this.list().find(namespace => namespace.layout !== 'records')
    if (layout !== 'records' && owner != null) {
      throw new RequestError(
        409,
        'ERR_BLOCKS_TAKEN',
        `the blocks of this repo are those of namespace ${owner.name}: a second collector would ` +
          'delete what the first one pins; use a repo of its own, or destroy that namespace'
      )
    }
  }
}
