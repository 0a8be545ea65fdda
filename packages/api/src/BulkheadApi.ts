import { HttpApi, type HttpApiError, OpenApi } from "@effect/platform"
import { AdminApi } from "./AdminApi.js"
import { ServerFault } from "./ApiErrors.js"
import { ArtifactApi } from "./ArtifactApi.js"
import { ExecuteApi } from "./ExecuteApi.js"
import { HealthApi } from "./HealthApi.js"

const api = HttpApi.make("bulkhead").add(ExecuteApi).add(ArtifactApi).add(AdminApi).add(HealthApi)

type Api =
  typeof api extends HttpApi.HttpApi<infer Id, infer Groups, HttpApiError.HttpApiDecodeError, infer R>
    ? HttpApi.HttpApi<Id, Groups, ServerFault, R>
    : never

// HttpApi gives every endpoint its own decode error, whose body is not the contract's.
const withContractErrors = Object.assign(api, { errorSchema: ServerFault.answer }) as unknown as Api

/** The whole HTTP contract. */
export const BulkheadApi = withContractErrors.annotateContext(
  OpenApi.annotations({
    title: "Bulkhead",
    version: "0.1.0",
    description:
      "Runs code nobody has read inside sandboxes, with hard limits and results that can be believed."
  })
)
