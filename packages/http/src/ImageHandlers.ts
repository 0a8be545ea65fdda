import type { BulkheadApi, ImageApi } from "@bulkhead/api"
import { SandboxService } from "@bulkhead/sandbox"
import { HttpApiBuilder } from "@effect/platform"
import { Effect } from "effect"
import * as Handlers from "./Handlers.js"

const build = (api: typeof BulkheadApi) =>
  HttpApiBuilder.group(api, "images", (handlers) =>
    Effect.map(SandboxService, ({ images }) => handlers.handle("images", () => images))
  )

/** Tells of images, in an HttpApi that has `ImageApi`. */
export const layer = Handlers.of<typeof ImageApi>()(build)
