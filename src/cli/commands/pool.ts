import { contextOf, type Group } from '../group.ts'

export function addPool(group: Group): void {
  const pool = group.program
    .command('pool')
    .description("the repo's ZFS pool, moved between engines and machines")
  pool
    .command('export')
    .description('unmount and let go of the pool, so that another engine or machine can have it')
    .action(async () => {
      const { repo, out } = contextOf(group)
      const { native } = await import('../../native.ts')
      const { exportPool } = await import('../../repo/move-pool.ts')
      const name = await exportPool(native, repo)
      await out.show({ pool: name }, `exported ${name}`)
    })
  pool
    .command('import')
    .description('hand the pool to the engine that --engine names, from now on; default: kernel')
    .action(async () => {
      const { repo, out } = contextOf(group)
      const { native } = await import('../../native.ts')
      const { chosenEngine } = await import('../../repo/engine.ts')
      const { importPool } = await import('../../repo/move-pool.ts')
      const engine = chosenEngine(undefined, 'kernel')
      const name = await importPool(native, repo, engine)
      await out.show({ pool: name, engine }, `imported ${name}, engine ${engine}`)
    })
}
