import { writeCar } from '../../unixfs/car-writer.ts'
import { walkDag } from '../../unixfs/walk.ts'
import { bytes, firstArg, type Command } from './command.ts'
import { bool } from './options.ts'
import { reader, resolveArg } from './paths.ts'

export const dagExport: Command = {
  name: 'dag/export',
  args: { name: 'root', required: true },
  options: [bool('progress', 'p')],
  run: async (request, node) => {
    const { cid } = await resolveArg(firstArg(request), request, node)
    const get = reader(request, node)
    // says at once, with a status, that there is nothing to export
    await get(cid)
    return bytes(writeCar([cid], walkDag(cid, get)), 'application/vnd.ipld.car')
  }
}
