#!/usr/bin/env node
const [major = 0] = process.versions.node.split('.').map(Number)

if (major < 24) {
  process.stderr.write(
    `ipfs-zfs: Node.js 24 or newer is needed, and this is ${process.versions.node}; ` +
      'start it with npx ipfs-zfs, which finds the right one\n'
  )
  process.exitCode = 1
} else {
  const { run } = await import('./run.ts')
  process.exitCode = await run(process.argv)
}

export {}
