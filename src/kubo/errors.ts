import { IpfsZfsError } from '../errors.ts'

/** IPFS_PATH has no Kubo repo. */
export class KuboRepoMissingError extends IpfsZfsError {
  override readonly name = 'KuboRepoMissingError'
  readonly code = 'ERR_KUBO_REPO_MISSING'
}

/** IPFS_PATH has a Kubo repo already. */
export class KuboRepoExistsError extends IpfsZfsError {
  override readonly name = 'KuboRepoExistsError'
  readonly code = 'ERR_KUBO_REPO_EXISTS'
}

/** The blocks of the Kubo repo are in another datastore. */
export class KuboElsewhereError extends IpfsZfsError {
  override readonly name = 'KuboElsewhereError'
  readonly code = 'ERR_KUBO_ELSEWHERE'
}

/** Go is missing, or could not build. */
export class KuboBuildError extends IpfsZfsError {
  override readonly name = 'KuboBuildError'
  readonly code = 'ERR_KUBO_BUILD'
}

/** A program that we ran for the user failed; the message is its own. */
export class KuboCommandError extends IpfsZfsError {
  override readonly name = 'KuboCommandError'
  readonly code = 'ERR_KUBO_COMMAND'
}

/** No daemon answers at the address of the datastore. */
export class DatastoreUnreachableError extends IpfsZfsError {
  override readonly name = 'DatastoreUnreachableError'
  readonly code = 'ERR_DATASTORE_UNREACHABLE'
}
