export { AdmissionOwner, type AdmissionOwnerOptions } from "./AdmissionOwner.js"
export * as Cluster from "./Cluster.js"
export * as ClusterAdmission from "./ClusterAdmission.js"
export { OwnerClient } from "./OwnerClient.js"
export {
  Deposed,
  LedgerFailure,
  type Opened,
  type Permit,
  type PermitKey,
  PermitLedger
} from "./PermitLedger.js"
export * from "./Protocol.js"
export * as SqlPermitLedger from "./SqlPermitLedger.js"
