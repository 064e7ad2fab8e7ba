/**
 * Pins with exact reference counts.
 *
 * Words: a *node* is a block with a kind (node.ts). It is *expanded* when its links are counted. Its
 * *count* is how many expanded nodes link to it, each once, plus how many recursive pins are on it.
 * It is *held* when it is expanded and its count is 0.
 *
 * What holds between any two steps, and so after a crash, because a step is one atomic batch:
 *
 * 1. Every node that an expanded node links to has a count of 1 or more, and is itself expanded, or
 *    is a leaf whose block is here. So all below an expanded node is here and counted.
 * 2. The block of an expanded node is here.
 * 3. A node is in `held` if and only if it is expanded and its count is 0.
 * 4. A recursive pin is on a node that is expanded, or on a leaf that is here.
 * 5. A block is alive if a node of it has a count or is held, or if a pin is on it. One that is not
 *    was put into `loose` when it ceased to be, or when it was stored and not pinned.
 *
 * Pinning expands a DAG from the leaves upwards (walk.ts), so 1 holds in the middle of it too, and
 * the last step puts the pin and the root's count. What a walk has expanded and not yet linked is
 * `held` under its number; once it is over, however it ended, that is to be released (release.ts).
 * Unpinning takes the pin and the count away in one step; when the count is then 0 the root is held
 * by nobody, and is released the same way. So a crash leaves work to do, never a wrong count, and
 * walks that meet, in whatever order, need to know nothing of each other: each looks at the counts
 * again in the step in which it relies on them, and descends again where they have changed.
 *
 * Steps take turns (steps.ts). Blocks are deleted only within a step (gc.ts), after asking for 5.
 * What a walk has found here and not yet counted could be deleted before it counts it: so garbage
 * collection waits (SharedLock) while a walk works, and a walk that waits for the network, which can
 * fetch a block again, lets it in.
 */
import type { AbortOptions } from 'abort-error'
import type { Datastore } from 'interface-datastore'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import type { RemovedBlocks } from '../native.ts'
import { orAbort } from '../stores/abort.ts'
import { rawCid } from '../stores/block-errors.ts'
import { Arrivals } from './arrivals.ts'
import { multihashesOf, type PinBlocks } from './blocks.ts'
import {
  CatalogBatch,
  keyAt,
  keyBytes,
  keysWhere,
  packKeys,
  type CatalogPage,
  type PinCatalog
} from './catalog.ts'
import {
  BlockMissingError,
  NotPinnedError,
  PinnedRecursivelyError,
  UpdateSourceError
} from './errors.ts'
import { collectLoose } from './gc.ts'
import { heldValue, nobody } from './held.ts'
import { looseValue, nowSeconds } from './loose.ts'
import { blockKey, blockKeyOf, isSha256, Kind, readRefs, refsValue } from './node.ts'
import { PinPage } from './pin-page.ts'
import { checkPinName, PinTexts } from './pin-texts.ts'
import { isForeign, isNamed, modeAt, recursivePins, slotOf, withPin } from './pin-value.ts'
import { Release, type HeldNode } from './release.ts'
import { SharedLock } from './shared-lock.ts'
import { Steps } from './steps.ts'
import { dagOf, findThrough } from './through.ts'
import type {
  AddOptions,
  BarePin,
  GcOptions,
  LsOptions,
  Pin,
  PinMode,
  PinState,
  PinVerdict,
  RmOptions,
  StateOptions,
  UpdateOptions
} from './types.ts'
import { verifyPins } from './verify.ts'
import { Walk, walkNode, type WalkNode } from './walk.ts'

/** Pins named in one page of a listing. */
const pagePins = 4096

export interface PinsParts {
  catalog: PinCatalog
  blocks: PinBlocks
  /** Names, and multihashes other than sha2-256. */
  records: Datastore
  /** Default: its own. Give it to whoever adds blocks that are to be pinned. */
  lock?: SharedLock
  /**
   * Called as a collection begins: says of a block's key whether somebody else has a right to it.
   * Default: nobody has.
   */
  keptByOthers?: (options: AbortOptions) => Promise<((key: Uint8Array) => boolean) | undefined>
  /** Told of blocks whose links could not be released. Default: nobody. */
  onStuck?: (cid: string, why: string) => void
}

/** The pins of one repo, and its garbage. */
export class Pins {
  /** Held shared while blocks are added to be pinned, alone for moments by garbage collection. */
  readonly lock: SharedLock
  readonly #parts: PinsParts
  readonly #steps = new Steps()
  readonly #texts: PinTexts
  readonly #release: Release
  readonly #arrivals: Arrivals
  /** Walks under way. Numbers begin above those of earlier processes. */
  readonly #active = new Set<number>()
  #lastWalk = Date.now() * 256

  constructor(parts: PinsParts) {
    const { catalog, blocks, onStuck } = parts
    this.#parts = parts
    this.lock = parts.lock ?? new SharedLock()
    this.#texts = new PinTexts(parts.records)
    this.#arrivals = new Arrivals(catalog)
    this.#release = new Release({
      catalog,
      blocks,
      steps: this.#steps,
      isActive: walk => this.#active.has(walk),
      onStuck: ({ key, kind }, why) =>
        onStuck?.(Buffer.from(blockKeyOf(key, kind)).toString('hex'), why)
    })
  }

  /**
   * Pins a block, or a DAG of which all that is missing is fetched. Resolves when the pin is on
   * disk; when it rejects there is none. Again with the same CID: the name is replaced, and a
   * direct pin becomes a recursive one.
   *
   * Errors: PinnedRecursivelyError (a direct pin of what is pinned recursively),
   * BlockMissingError, BadBlockError, UnknownCodecError, CyclicDagError, NoSpaceError,
   * InvalidParametersError (the name), what the fetcher says, the signal's reason.
   */
  async add(cid: CID, options: AddOptions = {}): Promise<void> {
    const { mode = 'recursive', name = '' } = options
    checkPinName(name)
    slotOf(cid)
    await this.#locked(options, async outsideLock => {
      const put = async (): Promise<boolean> => this.#putPin(cid, mode, name)
      if (mode === 'direct') await this.#addDirect(cid, options, put)
      else await this.#withWalk(cid, options, outsideLock, put)
    })
    await this.#parts.catalog.flush()
  }

  /**
   * Takes a pin away, and everything that nothing else holds out of the counts: it costs what it
   * frees. Errors: NotPinnedError, PinnedRecursivelyError.
   */
  async rm(cid: CID, options: RmOptions = {}): Promise<void> {
    slotOf(cid)
    await this.#locked(options, async () => {
      const orphans = await this.#steps.run(async () => {
        const freed = await this.#removePin(cid, options)
        await this.#texts.forget(cid)
        return freed
      })
      await this.#release.run(orphans, options.signal)
    })
    await this.#parts.catalog.flush()
  }

  /**
   * Pins `to` with the name of `from`, and removes that pin in the same step. It costs the
   * difference between the two. Errors: UpdateSourceError, and those of `add`.
   */
  async update(from: CID, to: CID, options: UpdateOptions = {}): Promise<void> {
    const { unpin = true } = options
    const before = await this.get(from, options)
    if (before?.mode !== 'recursive') throw new UpdateSourceError()
    if (from.equals(to)) return
    let orphans: HeldNode[] = []
    await this.#locked(options, async outsideLock => {
      await this.#withWalk(to, options, outsideLock, async () =>
        this.#putPin(to, 'recursive', before.name, async batch => {
          if (unpin) orphans = await this.#removePin(from, {}, batch)
        })
      )
      await this.#release.run(orphans, options.signal)
    })
    await this.#parts.catalog.flush()
  }

  /** The pin on exactly this CID. */
  async get(cid: CID, { signal }: AbortOptions = {}): Promise<Pin | undefined> {
    const slot = slotOf(cid)
    const value = await orAbort(this.#pinValue(cid), signal)
    const mode = modeAt(value, slot)
    if (mode == null) return undefined
    return { cid, mode, name: isNamed(value, slot) ? await this.#texts.name(cid) : '' }
  }

  /**
   * Why a CID is pinned; undefined when it is not. Two lookups, however many pins there are.
   * An indirect answer says `through` which pin only when asked to, and when that is soon found.
   */
  async isPinned(cid: CID, options: StateOptions = {}): Promise<PinState | undefined> {
    const { type = 'all', signal } = options
    const slot = slotOf(cid)
    const value = await orAbort(this.#pinValue(cid), signal)
    const mode = modeAt(value, slot)
    if (mode != null && (type === 'all' || type === mode)) {
      return { type: mode, name: isNamed(value, slot) ? await this.#texts.name(cid) : '' }
    }
    if (type !== 'all' && type !== 'indirect') return undefined
    const node = walkNode(cid)
    const [refs = 0] = await orAbort(this.#parts.catalog.get('refs', node.key), signal)
    if (readRefs(refs).count <= recursivePins(value, node.kind)) return undefined
    const through =
      options.through === true ? await findThrough(node, this.#listing(), options) : undefined
    return { type: 'indirect', name: '', ...(through != null && { through }) }
  }

  /** All pins, by digest. One that is there all the while is listed once. */
  async *ls(options: LsOptions = {}): AsyncGenerator<Pin> {
    for await (const page of this.lsPages(options)) {
      const pins: BarePin[] = []
      page.forEach(options.mode, pin => {
        pins.push({ ...pin, multihash: pin.multihash.slice() })
      })
      for (const { version, codec, multihash, mode, isNamed: named } of pins) {
        const cid = CID.create(version, codec, Digest.decode(multihash))
        yield { cid, mode, name: named ? await this.#texts.name(cid) : '' }
      }
    }
  }

  /** As `ls`, thousands at a time and without their names: for listings of millions. */
  async *lsPages({ signal }: AbortOptions = {}): AsyncGenerator<PinPage> {
    const { catalog } = this.#parts
    let ahead: Promise<CatalogPage> | undefined = catalog.scan('pins', undefined, pagePins)
    while (ahead != null) {
      const page: CatalogPage = await orAbort(ahead, signal)
      signal?.throwIfAborted()
      // the next one is read while this one is sent
      ahead = page.next == null ? undefined : catalog.scan('pins', page.next, pagePins)
      ahead?.catch(() => {})
      yield await this.#pinPage(page)
    }
  }

  /** How many multihashes have a pin. */
  async count(): Promise<number> {
    return this.#parts.catalog.count('pins')
  }

  /** What recursive pins cover and no pin names, each CID once. Reads all of it. */
  async *lsIndirect(options: AbortOptions = {}): AsyncGenerator<CID> {
    const seen = new Set<string>()
    for await (const { cid } of this.ls({ ...options, mode: 'recursive' })) {
      for await (const found of dagOf(cid, this.#parts.blocks, seen, options)) {
        if (!found.equals(cid) && (await this.get(found, options)) == null) yield found
      }
    }
  }

  /** Looks whether all that recursive pins cover is here and decodes. */
  verify(options: AbortOptions = {}): AsyncGenerator<PinVerdict> {
    return verifyPins(this.#listing(), options)
  }

  /**
   * Deletes what nothing holds, and yields it as raw CIDs. It costs what was put, freed or given up
   * since the last time, whatever is pinned.
   */
  async *gc(options: GcOptions = {}): AsyncGenerator<CID> {
    for await (const page of this.gcPages(options)) {
      for (const multihash of multihashesOf(page)) yield rawCid(multihash)
    }
  }

  /** As `gc`, thousands at a time. */
  async *gcPages(options: GcOptions = {}): AsyncGenerator<RemovedBlocks> {
    const { catalog, blocks, keptByOthers } = this.#parts
    await this.lock.shared(async () => this.#release.all(options.signal))
    yield* collectLoose(
      {
        catalog,
        blocks,
        steps: this.#steps,
        lock: this.lock,
        arrivals: this.#arrivals,
        isKept: await keptByOthers?.(options)
      },
      options
    )
  }

  /**
   * Runs `store`, which stores these blocks. Unless they are pinned by then, the next collection
   * deletes them, also after a crash in the middle. NoSpaceError: nothing was stored.
   */
  async storing<T>(multihashes: Uint8Array[], store: () => Promise<T>): Promise<T> {
    return this.#arrivals.during(multihashes, store)
  }

  /**
   * Deletes those of these blocks that nothing keeps, and gives the others. Within one step: what is
   * asked holds until they are deleted, also while walks are under way.
   */
  async deleteFree(multihashes: Uint8Array[]): Promise<Uint8Array[]> {
    const { blocks } = this.#parts
    const keys = packKeys(multihashes.map(blockKey))
    return this.#steps.run(async () => {
      const alive = await this.#alive(keys)
      const free = keysWhere(keys, i => alive[i] === 0)
      if (free.length > 0) await blocks.remove(free)
      return multihashes.filter((_, i) => alive[i] !== 0)
    })
  }

  /** Puts every block that is not known to be alive into the queue of `gc`. Reads all keys. */
  async noteAll({ signal }: AbortOptions = {}): Promise<void> {
    let from: Uint8Array | undefined
    do {
      signal?.throwIfAborted()
      const page = await this.#parts.blocks.scan(from, pagePins)
      await this.#arrivals.note(page.keys)
      from = page.next
    } while (from != null)
  }

  #listing() {
    return {
      blocks: this.#parts.blocks,
      recursive: (options: AbortOptions) => this.ls({ ...options, mode: 'recursive' })
    }
  }

  async #locked<T>(
    { holdsLock = false }: { holdsLock?: boolean },
    work: (outside: <R>(work: () => Promise<R>) => Promise<R>) => Promise<T>
  ): Promise<T> {
    if (holdsLock) return work(async inner => inner())
    const outside = async <R>(inner: () => Promise<R>): Promise<R> => {
      this.lock.release(false)
      try {
        return await inner()
      } finally {
        await this.lock.acquire(false)
      }
    }
    return this.lock.shared(async () => work(outside))
  }

  /** Expands the DAG until `put` finds it so. What is left when it fails is released. */
  async #withWalk(
    cid: CID,
    options: Omit<AddOptions, 'mode' | 'name'>,
    outsideLock: <R>(work: () => Promise<R>) => Promise<R>,
    put: () => Promise<boolean>
  ): Promise<void> {
    const { catalog, blocks } = this.#parts
    const { fetcher, signal, onProgress = () => {} } = options
    const id = ++this.#lastWalk
    this.#active.add(id)
    const steps = this.#steps
    const walk = new Walk(id, {
      catalog,
      blocks,
      steps,
      fetcher,
      signal,
      outsideLock,
      onProgress
    })
    try {
      const root = walkNode(cid)
      do {
        await walk.complete(root)
        signal?.throwIfAborted()
      } while (!(await steps.run(put)))
      this.#active.delete(id)
    } catch (error) {
      this.#active.delete(id)
      // what fails here is left to the next collection
      await this.#release.of(id).catch(() => {})
      throw error
    }
  }

  async #addDirect(cid: CID, options: AddOptions, put: () => Promise<boolean>): Promise<void> {
    const { blocks } = this.#parts
    const key = blockKey(cid.multihash.bytes)
    while (!(await this.#steps.run(put))) {
      options.signal?.throwIfAborted()
      if (options.fetcher == null) throw new BlockMissingError(cid)
      await options.fetcher.fetch(cid, options.signal == null ? {} : { signal: options.signal })
    }
    const [size = 0] = await blocks.sizes(key)
    options.onProgress?.({ blocks: 1, bytes: Math.max(0, size) })
  }

  /** The last step of pinning. False: what it relies on is not so, or no longer. */
  async #putPin(
    cid: CID,
    mode: PinMode,
    name: string,
    also?: (batch: CatalogBatch) => Promise<void>
  ): Promise<boolean> {
    const { catalog } = this.#parts
    const node = walkNode(cid)
    const key = blockKeyOf(node.key, node.kind)
    const slot = slotOf(cid)
    const before = await this.#pinValue(cid)
    const had = modeAt(before, slot)
    if (mode === 'direct' && had === 'recursive') {
      throw new PinnedRecursivelyError(cid, 'already pinned')
    }
    const [value = 0] = await catalog.get('refs', node.key)
    const refs = readRefs(value)
    const isReady =
      mode === 'recursive' && node.kind !== Kind.leaf ? refs.expanded : await this.#isHere(node)
    if (!isReady) return false
    // texts first: without the bit that says so nobody looks at them
    const foreign = !isSha256(cid.multihash.bytes)
    await this.#texts.remember(cid, name, foreign)
    const batch = new CatalogBatch()
    batch.set('pins', key, withPin(before, slot, { mode, named: name !== '', foreign }))
    if (mode === 'recursive' && had !== 'recursive') {
      if (refs.count === 0) batch.set('held', node.key, 0)
      batch.set('refs', node.key, refsValue({ ...refs, count: refs.count + 1 }, node.kind))
    }
    await also?.(batch)
    await catalog.apply(batch.changes())
    if (name === '' && isNamed(before, slot)) await this.#texts.forget(cid)
    return true
  }

  /** The first step of unpinning; gives what is held by nobody then. */
  async #removePin(
    cid: CID,
    { recursive = true }: RmOptions,
    also?: CatalogBatch
  ): Promise<HeldNode[]> {
    const { catalog } = this.#parts
    const node = walkNode(cid)
    const key = blockKeyOf(node.key, node.kind)
    const slot = slotOf(cid)
    const batch = also ?? new CatalogBatch()
    const before = batch.get('pins', key) ?? (await this.#pinValue(cid))
    const mode = modeAt(before, slot)
    if (mode == null) throw new NotPinnedError()
    if (mode === 'recursive' && !recursive) throw new PinnedRecursivelyError(cid, 'is pinned')
    const change = { mode: undefined, named: false, foreign: isForeign(before) }
    batch.set('pins', key, withPin(before, slot, change))
    const orphans: HeldNode[] = []
    const freed = looseValue(nowSeconds(), true)
    if (mode === 'direct') batch.set('loose', key, freed)
    else {
      const value = batch.get('refs', node.key) ?? (await catalog.get('refs', node.key))[0]
      const refs = readRefs(value ?? 0)
      refs.count--
      batch.set('refs', node.key, refsValue(refs, node.kind))
      if (refs.count === 0 && node.kind === Kind.leaf) batch.set('loose', key, freed)
      else if (refs.count === 0) {
        batch.set('held', node.key, heldValue(nobody, node.kind))
        orphans.push(node)
      }
    }
    if (also == null) await catalog.apply(batch.changes(), { freeing: true })
    return orphans
  }

  /** 1 or 0 for each; nothing is asked where nothing is pinned, as under a Kubo that pins for itself. */
  async #alive(keys: Uint8Array): Promise<Uint8Array> {
    const { catalog } = this.#parts
    const known = await Promise.all([catalog.count('refs'), catalog.count('pins')])
    if (known.every(count => count === 0)) return new Uint8Array(keys.length / keyBytes)
    return catalog.alive(keys)
  }

  async #isHere(node: WalkNode): Promise<boolean> {
    if (node.cid.multihash.code === 0) return true
    const [size = -1] = await this.#parts.blocks.sizes(blockKeyOf(node.key, node.kind))
    return size >= 0
  }

  async #pinValue(cid: CID): Promise<number> {
    const [value = 0] = await this.#parts.catalog.get('pins', blockKey(cid.multihash.bytes))
    return value
  }

  async #pinPage({ keys, values }: CatalogPage): Promise<PinPage> {
    const foreign = new Map<number, Uint8Array | undefined>()
    for (let i = 0; i < values.length; i++) {
      if (!isForeign(values[i] as number)) continue
      foreign.set(i, await this.#texts.multihash(keyAt(keys, i)))
    }
    return new PinPage(keys, values, foreign)
  }
}
