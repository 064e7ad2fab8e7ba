/** What a user who is not root needs on a repo's root dataset, as docs/engines.md says. */
export const NEEDED = [
  'snapshot',
  'rollback',
  'destroy',
  'mount',
  'recordsize',
  'reservation'
] as const
