/** Codecs that a CID can name: more than this node can decode. */
const codes: Record<string, number> = {
  raw: 0x55,
  cbor: 0x51,
  'dag-pb': 0x70,
  'dag-cbor': 0x71,
  'libp2p-key': 0x72,
  'git-raw': 0x78,
  'dag-jose': 0x85,
  'dag-cose': 0x86,
  'dag-json': 0x0129,
  json: 0x0200,
  car: 0x0202,
  'swarm-manifest': 0xfa,
  'zcash-block': 0xc0,
  'bitcoin-block': 0xb0,
  'eth-block': 0x90
}

export function codecCode(name: string): number {
  const code = codes[name]
  if (code == null) throw new Error(`unknown multicodec: ${JSON.stringify(name)}`)
  return code
}
