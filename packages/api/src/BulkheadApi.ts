import { HttpApi, type HttpApiError, type HttpApiGroup, OpenApi } from "@effect/platform"
import { AdminApi } from "./AdminApi.js"
import { ServerFault } from "./ApiErrors.js"
import { ArtifactApi } from "./ArtifactApi.js"
import { ArtifactKindsApi } from "./ArtifactKindsApi.js"
import { ExecuteApi } from "./ExecuteApi.js"
import { ExecutionsApi } from "./ExecutionsApi.js"
import { HealthApi } from "./HealthApi.js"
import { ImageApi } from "./ImageApi.js"
import * as McpOperations from "./McpOperations.js"
import { StreamApi } from "./StreamApi.js"
import { UploadApi } from "./UploadApi.js"
import { SigningApi, WebhookApi } from "./WebhookApi.js"

/** Of the contract, and of the server that keeps it. */
export const version = "0.1.0"

const named = HttpApi.make("bulkhead").annotateContext(
  OpenApi.annotations({
    title: "Bulkhead",
    version,
    description:
      "Runs code nobody has read inside sandboxes, with hard limits and results that can be believed."
  })
)

// HttpApi gives every endpoint its own decode error, whose body is not the contract's.
const withContractErrors = <Groups extends HttpApiGroup.HttpApiGroup.Any, R>(
  api: HttpApi.HttpApi<"bulkhead", Groups, HttpApiError.HttpApiDecodeError, R>
) =>
  Object.assign(api, { errorSchema: ServerFault.answer }) as unknown as HttpApi.HttpApi<
    "bulkhead",
    Groups,
    ServerFault,
    R
  >

/** The whole HTTP contract. */
export const BulkheadApi = withContractErrors(
  named
    .add(ExecuteApi)
    .add(StreamApi)
    .add(ExecutionsApi)
    .add(ArtifactApi)
    .add(UploadApi)
    .add(ImageApi)
    .add(SigningApi)
    .add(AdminApi)
    .add(ArtifactKindsApi)
    .add(WebhookApi)
    .add(HealthApi)
)

/** The whole contract of a server that also serves MCP, as it is described. */
export const BulkheadApiWithMcp = BulkheadApi.annotate(OpenApi.Transform, McpOperations.added)

/** The half of the contract that callers use: executions, what they leave, and what verifies messages of them. */
export const BulkheadExecuteApi = withContractErrors(
  named
    .add(ExecuteApi)
    .add(StreamApi)
    .add(ExecutionsApi)
    .add(ArtifactApi)
    .add(UploadApi)
    .add(ImageApi)
    .add(SigningApi)
)

/** The half of the contract that the operator uses. */
export const BulkheadAdminApi = withContractErrors(named.add(AdminApi).add(ArtifactKindsApi).add(WebhookApi))

/** What watches the server's life. */
export const BulkheadHealthApi = withContractErrors(named.add(HealthApi))
