import { UserId } from "@bulkhead/domain"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "@effect/platform"
import { Schema } from "effect"
import { BadRequest, ContentTooLarge, TooManyRequests, UnsupportedContent } from "./ApiErrors.js"
import { AdminAuthentication } from "./Authentication.js"

const ofUser = Schema.Struct({ userId: UserId })

/** What a user's programs may leave. */
export const ArtifactKinds = Schema.Struct({
  groups: Schema.Record({ key: Schema.String, value: Schema.Array(Schema.String) }).annotations({
    description: "The extensions that are kept, by groups; the empty one is that of names without.",
    examples: [{ images: ["png", "svg"], data: ["csv"] }]
  }),
  activeContent: Schema.Literal("keep", "refuse").annotations({
    description: "Whether files are kept in which a browser or a reader finds a script to run."
  })
}).annotations({ identifier: "ArtifactKinds", description: "What the user's programs may leave" })

/** A list as `SANDBOX_ARTIFACT_KINDS` takes it. */
export const ArtifactKindsRequest = Schema.Struct({
  kinds: Schema.String.annotations({
    description: "Groups, extensions and `all`, with `+` and `-`, over what everybody's programs may leave.",
    examples: ["images .csv", "-video"],
    message: () => "expected a text like 'images .csv' or '-video'"
  })
}).annotations({ identifier: "ArtifactKindsRequest" })

const kinds = HttpApiEndpoint.get("kinds", "/artifact-kinds/:userId")
  .setPath(ofUser)
  .addSuccess(ArtifactKinds)
  .annotate(OpenApi.Summary, "Which files of a user's programs are kept")
  .annotate(
    OpenApi.Description,
    "What everybody's programs may leave unless something else was set for the user."
  )

const setKinds = HttpApiEndpoint.put("setKinds", "/artifact-kinds/:userId")
  .setPath(ofUser)
  .setPayload(ArtifactKindsRequest)
  .addSuccess(ArtifactKinds)
  .addError(ContentTooLarge.answer)
  .addError(UnsupportedContent.answer)
  .addError(TooManyRequests.answer)
  .annotate(OpenApi.Summary, "Keep other files of a user's programs")
  .annotate(
    OpenApi.Description,
    "For what is collected from now on. A restart forgets it, as it does changes of limits."
  )

const resetKinds = HttpApiEndpoint.del("resetKinds", "/artifact-kinds/:userId")
  .setPath(ofUser)
  .addSuccess(ArtifactKinds)
  .annotate(OpenApi.Summary, "Keep the files of a user's programs that the settings say")
  .annotate(OpenApi.Description, "For what is collected from now on. Answers what is kept again.")

/** What the operator does about what may be kept. */
export const ArtifactKindsApi = HttpApiGroup.make("artifactKinds")
  .add(kinds)
  .add(setKinds)
  .add(resetKinds)
  .addError(BadRequest.answer)
  .middleware(AdminAuthentication)
  .prefix("/api/sandbox")
