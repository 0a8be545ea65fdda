import { ImageList } from "@bulkhead/domain"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "@effect/platform"
import { Forbidden } from "./ApiErrors.js"
import { CallerAuthentication } from "./Authentication.js"
import * as Operations from "./Operations.js"

/** What the sandboxes of programs can be made from. */
export const ImageApi = HttpApiGroup.make("images")
  .add(
    HttpApiEndpoint.get("images", "/api/images")
      .addSuccess(ImageList.annotations({ identifier: "ImageList", description: "In the operator's order" }))
      .annotate(OpenApi.Transform, Operations.withoutKey)
      .annotate(OpenApi.Summary, "The images that a request may choose, and what is in them")
      .annotate(
        OpenApi.Description,
        "A request names one of them as its `image`. The first answer takes as long as it takes to start a sandbox of each; what is found is remembered until the server ends."
      )
  )
  .addError(Forbidden.answer)
  .middleware(CallerAuthentication)
