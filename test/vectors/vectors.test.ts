/** CIDs and sizes against those that a real Kubo gave for the same input: see make.ts. */
import { readFile } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addEntries, type AddEntry } from '../../src/unixfs/add.ts'
import { kuboDefaults, type Profile } from '../../src/unixfs/profile.ts'
import { cases, variants, type Input, type Line, type Vectors } from './content.ts'

const test = suite('Kubo vectors')

const vectors = JSON.parse(
  await readFile(new URL('./kubo-cids.json', import.meta.url), 'utf8')
) as Vectors

function profileOf(options: Record<string, string>): Profile {
  const cidVersion = options['cid-version'] === '0' ? 0 : 1
  const raw = options['raw-leaves']
  return { ...kuboDefaults, cidVersion, rawLeaves: raw == null ? cidVersion === 1 : raw === 'true' }
}

/** In pieces that never end where a chunk does. */
async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 65_521) yield bytes.subarray(at, at + 65_521)
}

async function* entries(inputs: Input[]): AsyncGenerator<AddEntry> {
  for (const { path, kind, bytes, target } of inputs) {
    if (kind === 'folder') yield { kind, path }
    else if (kind === 'symlink') yield { kind, path, target: target ?? '' }
    else yield { kind, path, content: pieces(bytes ?? new Uint8Array()) }
  }
}

async function add(inputs: Input[], profile: Profile): Promise<Line> {
  let line: Line | undefined
  let root: string | undefined
  const options = { profile, put: () => {}, wrap: false }
  for await (const event of addEntries(entries(inputs), options)) {
    if (event.kind === 'root') root = event.cid.toString()
    if (event.kind !== 'added') continue
    line = { cid: event.cid.toString(), size: String(event.cumulativeBytes) }
  }
  assert.ok(line)
  assert.is(root, line.cid)
  return line
}

for (const { name, inputs } of cases) {
  for (const [variant, options] of Object.entries(variants)) {
    test(`${name}, ${variant}`, async () => {
      assert.equal(await add(inputs(), profileOf(options)), vectors[name]?.[variant])
    })
  }
}

test.run()
