import { IpfsZfsError } from '../errors.ts'

/** A service.json that cannot be amended where it is. */
export class ClusterConfigError extends IpfsZfsError {
  override readonly name = 'ClusterConfigError'
  readonly code = 'ERR_CLUSTER_CONFIG'
}
