import { inSession, type Group } from '../group.ts'

export function addRepo(group: Group): void {
  const repo = group.program.command('repo').description('the repo as a whole')
  void repo
  void inSession
}
