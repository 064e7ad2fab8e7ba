/**
 * One scripted session for a real Kubo and for this node, and where their answers differ. Both are
 * offline and empty. Our own `ErrorCode` beside an error is left out.
 */
import { request } from 'node:http'
import { isDeepStrictEqual } from 'node:util'

interface Step {
  path: string
  files?: Array<{ name: string; body: Uint8Array | string; type?: string }>
  headers?: Record<string, string>
  method?: string
  /** Only the status is compared. */
  loose?: boolean
}

interface Seen {
  status: number
  headers: Record<string, string | undefined>
  body: Buffer
}

const compared = [
  'content-type',
  'x-stream-output',
  'x-chunked-output',
  'x-content-length',
  'x-content-type-options',
  'trailer',
  'allow',
  'vary',
  'access-control-allow-origin',
  'access-control-allow-methods'
]

async function send(address: string, step: Step): Promise<Seen> {
  const boundary = 'side-by-side-boundary'
  const pieces: Uint8Array[] = []
  for (const { name, body, type = 'application/octet-stream' } of step.files ?? []) {
    pieces.push(
      Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${encodeURIComponent(name)}"\r\n` +
          `Content-Type: ${type}\r\n\r\n`
      ),
      Buffer.from(body),
      Buffer.from('\r\n')
    )
  }
  if (step.files != null) pieces.push(Buffer.from(`--${boundary}--\r\n`))
  const [host, port] = address.split(':')
  return new Promise((resolve, reject) => {
    const sent = request({
      host,
      port,
      method: step.method ?? 'POST',
      path: step.path.startsWith('/') ? step.path : `/api/v0/${step.path}`,
      headers: {
        ...(step.files == null
          ? {}
          : { 'content-type': `multipart/form-data; boundary=${boundary}` }),
        ...step.headers
      }
    })
    sent.on('error', reject)
    sent.on('response', response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', () => {})
      response.on('close', () => {
        const headers = Object.fromEntries(
          compared.map(name => [name, response.headers[name]?.toString()])
        )
        resolve({ status: response.statusCode ?? 0, headers, body: Buffer.concat(chunks) })
      })
    })
    sent.end(Buffer.concat(pieces))
  })
}

const missing = 'bafkreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
const identity = 'bafkqablimvwgy3y'
const pattern = (length: number) =>
  Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13) & 255)
const tree = [
  { name: 'd', body: '', type: 'application/x-directory' },
  { name: 'd/a.txt', body: 'hi\n' },
  { name: 'd/e', body: '', type: 'application/x-directory' },
  { name: 'd/e/big', body: pattern(600_000) },
  { name: 'd/empty', body: '', type: 'application/x-directory' },
  { name: 'd/l', body: 'a.txt', type: 'application/symlink' },
  { name: 'top ü+%.bin', body: pattern(262_145) }
]
const json = JSON.stringify({ b: 1, a: { '/': identity }, c: [1, { x: '<&>' }] })

function steps(ids: Record<string, string>): Step[] {
  const { root = '', cbor = '' } = ids
  const adds: Step[] = [
    ...[
      '',
      'progress=true&',
      'cid-version=1&',
      'raw-leaves=true&',
      'wrap-with-directory=true&'
    ].map(option => ({ path: `add?${option}pin=true`, files: tree })),
    { path: 'add?only-hash=true', files: [{ name: 'x', body: 'only hashed' }] },
    { path: 'add?inline=true&cid-version=1', files: [{ name: 'x', body: 'abc' }] },
    { path: 'add?hash=sha2-512', files: [{ name: 'x', body: 'abc' }] },
    { path: 'add?hash=sha2-512&cid-version=0', files: [{ name: 'x', body: 'abc' }] },
    { path: 'add?hash=nope', files: [{ name: 'x', body: 'abc' }] },
    { path: 'add?cid-version=2', files: [{ name: 'x', body: 'abc' }] },
    { path: 'add?chunker=size-1000', files: [{ name: 'x', body: pattern(3500) }] },
    { path: 'add?chunker=size-0', files: [{ name: 'x', body: 'abc' }] },
    { path: 'add?chunker=size-9999999', files: [{ name: 'x', body: 'abc' }] },
    { path: 'add?chunker=nope', files: [{ name: 'x', body: 'abc' }] },
    { path: 'add?silent=true', files: [{ name: 'x', body: 'abc' }] },
    { path: 'add?cid-base=base58btc', files: [{ name: 'x', body: 'abc' }] },
    { path: 'add', files: [{ name: '', body: 'no name' }] },
    { path: 'add?wrap-with-directory=true', files: [{ name: '', body: 'no name' }] },
    { path: 'add?progress=true', files: [{ name: 'none', body: '' }] },
    { path: 'add', files: [] },
    { path: 'add' }
  ]
  const reads: Step[] = [
    `cat?arg=${root}/a.txt`,
    `cat?arg=/ipfs/${root}/a.txt`,
    `cat?arg=ipfs://${root}/a.txt`,
    `cat/${root}`,
    `cat?arg=${root}/e/big&offset=262100&length=100`,
    `cat?arg=${root}/e/big&offset=599990`,
    `cat?arg=${root}/e/big&arg=${root}/a.txt&offset=599999&length=3`,
    `cat?arg=${root}/a.txt&offset=100`,
    `cat?arg=${root}/a.txt&length=0`,
    `cat?arg=${root}/l`,
    `cat?arg=${root}`,
    `cat?arg=${root}/nope`,
    `cat?arg=${cbor}`,
    `cat?arg=${identity}`,
    'cat?arg=foo',
    'cat?arg=/ipfs/foo',
    'cat?arg=/foo/bar',
    'cat?arg=',
    `cat?arg=${missing}`,
    'cat',
    `cat?arg=${root}&offset=x`,
    `cat?arg=${root}&offset=-1`,
    `cat?arg=${root}&offset=1&offset=2`,
    `cat?arg=${root}&length=-1`,
    `cat?arg=${root}&offline=maybe`,
    `cat?arg=${root}/a.txt&unknown=1`,
    ...[
      '',
      '&size=false&resolve-type=false',
      '&stream=true',
      '/a.txt',
      '/e/big',
      '/empty',
      '/l'
    ].map(rest => `ls?arg=${root}${rest}`),
    `ls?arg=${root}&arg=${root}/e`,
    `ls?arg=${root}&sort-size=true`,
    `ls?arg=${root}&sort-size=true&stream=true`,
    `ls?arg=${cbor}`,
    `ls?arg=${missing}`,
    ...[
      '',
      '&recursive=true',
      '&recursive=true&unique=true',
      '&recursive=true&max-depth=2',
      '&recursive=true&max-depth=0',
      '&edges=true',
      '&recursive=true&format=<src>-<linkname>',
      '&edges=true&format=x'
    ].map(rest => `refs?arg=${root}${rest}`),
    `refs?arg=${cbor}`,
    `refs?arg=${missing}`,
    `block/stat?arg=${root}`,
    `block/stat?arg=${root}/a.txt`,
    `block/stat?arg=${identity}`,
    `block/stat?arg=${root}&cid-base=base32`,
    `block/stat?arg=${root}&cid-base=nope`,
    `block/get?arg=${root}/a.txt`,
    `block/get?arg=${identity}`,
    `block/get?arg=${missing}`,
    'block/get?arg=',
    `dag/get?arg=${cbor}`,
    `dag/get?arg=${cbor}/c/1`,
    `dag/get?arg=${cbor}/c/1/x`,
    `dag/get?arg=${cbor}/zz`,
    `dag/get?arg=${cbor}&output-codec=dag-cbor`,
    `dag/get?arg=${cbor}&output-codec=nope`,
    `dag/get?arg=${root}`,
    `dag/get?arg=${root}/a.txt`,
    `dag/get?arg=${root}/Links`,
    `dag/resolve?arg=${root}/e`,
    `dag/resolve?arg=${cbor}/c`,
    `dag/export?arg=${root}`,
    `dag/export?arg=${root}/e`,
    `dag/export?arg=${missing}`
  ].map(path => ({ path: path.replace(/[<>]/g, encodeURIComponent) }))
  const loose: Step[] = [
    `get?arg=${root}`,
    `get?arg=${root}/a.txt`,
    `get?arg=${root}/a.txt&compress=true`,
    `get?arg=${root}&compress=true&archive=true`,
    'repo/stat',
    'repo/stat?size-only=true',
    'version',
    'id',
    'config/show'
  ].map(path => ({ path, loose: true }))
  const writes: Step[] = [
    { path: 'block/put', files: [{ name: 'f', body: 'abc' }] },
    {
      path: 'block/put',
      files: [
        { name: 'f', body: '1' },
        { name: 'g', body: '2' }
      ]
    },
    ...[
      'mhtype=nope',
      'cid-codec=nope',
      'cid-codec=dag-pb&mhtype=sha2-512',
      'format=v0',
      'format=protobuf',
      'format=cbor',
      'format=v0&mhtype=sha2-512',
      'format=v0&cid-codec=dag-pb',
      'mhlen=10',
      'mhlen=20',
      'pin=true'
    ].map(option => ({ path: `block/put?${option}`, files: [{ name: 'f', body: 'abc' }] })),
    { path: 'block/put' },
    { path: 'block/put', files: [{ name: 'f', body: pattern(2_500_000) }] },
    { path: 'block/put?allow-big-block=true', files: [{ name: 'f', body: pattern(2_500_000) }] },
    { path: `block/rm?arg=${missing}` },
    { path: `block/rm?arg=${missing}&force=true` },
    { path: `block/rm?arg=${missing}&force=true&quiet=true` },
    { path: `block/rm?arg=${root}` },
    { path: 'dag/put', files: [{ name: 'f', body: json }] },
    { path: 'dag/put?store-codec=dag-json&pin=true', files: [{ name: 'f', body: json }] },
    { path: 'dag/put?store-codec=nope', files: [{ name: 'f', body: json }] },
    { path: 'dag/put?store-codec=raw&input-codec=raw', files: [{ name: 'f', body: 'raw' }] },
    { path: 'dag/import', files: [{ name: 'f', body: 'garbage' }] },
    { path: 'dag/import' }
  ]
  const pins: Step[] = [
    `pin/add?arg=${missing}`,
    `pin/add?arg=${root}/e`,
    `pin/add?arg=${root}/a.txt&recursive=false&name=foo`,
    `pin/add?arg=${root}&recursive=false`,
    `pin/add?arg=${root}&name=${'n'.repeat(256)}`,
    'pin/ls?type=recursive',
    'pin/ls?type=direct&names=true',
    'pin/ls?type=indirect',
    'pin/ls',
    'pin/ls?name=fo',
    'pin/ls?type=nope',
    'pin/ls?type=direct&stream=true',
    `pin/ls?arg=${root}`,
    `pin/ls?arg=${root}/a.txt&names=true`,
    `pin/ls?arg=${root}/l&type=recursive`,
    `pin/ls?arg=${missing}`,
    `pin/ls?arg=${missing}&stream=true&type=recursive`,
    // as Cluster asks
    `pin/ls?stream=true&arg=${root}&type=direct`,
    `pin/add?arg=${root}&recursive=true&progress=true`,
    `pin/add?arg=${root}&recursive=true&max-depth=1&progress=true`,
    `pin/ls?stream=true&arg=${root}&type=recursive`,
    `pin/update?arg=${root}&arg=${cbor}&unpin=false`,
    `pin/update?arg=${root}&arg=${cbor}`,
    `pin/update?arg=${missing}&arg=${root}`,
    `pin/update?arg=${root}&arg=${root}`,
    `pin/update?arg=${root}&arg=${missing}`,
    `pin/update?arg=${root}`,
    'pin/update',
    'pin/verify',
    'pin/verify?verbose=true&quiet=true',
    `pin/rm?arg=${cbor}`,
    `pin/rm?arg=${missing}`,
    `pin/rm?arg=${root}/l`,
    `pin/rm?arg=${root}/e&recursive=false`,
    `pin/rm?arg=${root}/e`,
    `pin/rm?arg=${root}/a.txt`,
    `pin/rm?arg=${root}/a.txt`
  ].map(path => ({ path }))
  const others: Step[] = [
    ...[
      'repo/version',
      'swarm/peers',
      'swarm/connect?arg=foo',
      'swarm/connect?arg=/ip4/127.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN',
      'swarm/connect',
      'id?arg=foo',
      'swarm/addrs/local',
      'swarm/disconnect?arg=foo',
      `resolve?arg=/ipfs/${root}/a.txt`,
      `resolve?arg=${root}`,
      `resolve?arg=/ipfs/${root}/nope`,
      `resolve?arg=/ipfs/${missing}`,
      `resolve?arg=/ipfs/${missing}/x`,
      `resolve?arg=/ipld/${cbor}/c/1/x`,
      `resolve?arg=/ipfs/${root}/e&cid-base=base32`,
      'resolve?arg=foo',
      'resolve',
      'config?arg=Identity',
      'config?arg=Nope.x',
      'config',
      'pin/add?arg=/ipfs/',
      'pin/add?arg=',
      'pin/add',
      'pin/rm?arg=bafy',
      'pin/ls?arg=Qmfoo',
      'nope',
      'nope/x',
      '/nope',
      '/api/v0/'
    ].map(path => ({ path })),
    { path: 'version', method: 'GET' },
    { path: 'version', method: 'PUT' },
    { path: 'version', method: 'OPTIONS' },
    { path: 'version', headers: { origin: 'http://evil.example' } },
    { path: 'version', headers: { referer: 'http://evil.example/page' } },
    { path: 'version', headers: { 'user-agent': 'Mozilla/5.0' } },
    { path: 'version', headers: { 'user-agent': 'Mozilla/5.0 Electron/1' }, loose: true },
    {
      path: 'version',
      method: 'OPTIONS',
      headers: { origin: 'http://evil.example', 'access-control-request-method': 'POST' }
    }
  ]
  return [...adds, ...reads, ...loose, ...writes, ...pins, ...others]
}

/** An empty folder, which a Kubo pins when its repo is made. */
const emptyFolder = 'QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn'

export interface Compared {
  same: number
  /** For each answer that differs: the request, then what each of them said. */
  differences: string[]
}

/** Sends the session to both, at `host:port`. */
export async function sideBySide(kubo: string, ours: string): Promise<Compared> {
  await send(kubo, { path: `pin/rm?arg=${emptyFolder}` })
  const ids: Record<string, string> = {}
  for (const address of [kubo, ours]) {
    const added = await send(address, { path: 'add', files: tree })
    const lines = added.body.toString().trim().split('\n')
    const last = lines.map(line => JSON.parse(line) as { Name: string; Hash: string })
    ids['root'] = last.find(line => line.Name === 'd')?.Hash ?? ''
    const put = await send(address, { path: 'dag/put', files: [{ name: 'f', body: json }] })
    ids['cbor'] = (JSON.parse(put.body.toString()) as { Cid: { '/': string } }).Cid['/']
  }
  const compared: Compared = { same: 0, differences: [] }
  for (const step of steps(ids)) {
    const [theirs, mine] = await Promise.all([send(kubo, step), send(ours, step)])
    if (isDeepStrictEqual(kept(theirs, step), kept(mine, step))) compared.same++
    else compared.differences.push(difference(step, theirs, mine))
  }
  return compared
}

function kept({ status, headers, body }: Seen, { loose }: Step) {
  const text = body
    .toString('latin1')
    .replace(/,"ErrorCode":"\w+"/, '')
    // a CID that carries its bytes is no block here, so nothing covers it
    .replace(`"${identity}":{"Type":"indirect","Name":""},`, '')
  return { status, headers, body: loose === true ? '' : text }
}

function difference(step: Step, theirs: Seen, mine: Seen): string {
  const sides = [
    ['kubo', theirs],
    ['ours', mine]
  ] as const
  const said = sides.map(([name, seen]) => {
    const headers = Object.entries(seen.headers).filter(
      ([key]) => theirs.headers[key] !== mine.headers[key]
    )
    const body = step.loose === true ? '' : seen.body.toString('latin1').slice(0, 600)
    return `  ${name} ${seen.status} ${JSON.stringify(headers)} ${JSON.stringify(body)}`
  })
  return [`${step.method ?? 'POST'} ${step.path}`, ...said].join('\n')
}
