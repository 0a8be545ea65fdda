export * from "./AdminApi.js"
export * from "./ApiErrors.js"
export * from "./ArtifactApi.js"
export * from "./ArtifactKindsApi.js"
export * from "./Authentication.js"
export * from "./BulkheadApi.js"
export * as BulkheadClient from "./BulkheadClient.js"
export * from "./ExecuteApi.js"
export {
  type FollowOptions,
  isPassing,
  type StreamFailure,
  StreamLost
} from "./ExecutionStream.js"
export * from "./Executions.js"
export * from "./ExecutionsApi.js"
export * from "./HealthApi.js"
export * from "./ImageApi.js"
export { Instant } from "./QueryParameters.js"
export * as ServerSentEvents from "./ServerSentEvents.js"
export * from "./StreamApi.js"
export * from "./UploadApi.js"
export * from "./WebhookApi.js"
