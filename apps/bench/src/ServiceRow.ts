import type { SandboxService } from "@bulkhead/sandbox"
import { Effect } from "effect"
import * as MockService from "./MockService.js"
import * as OwnRow from "./OwnRow.js"

/** The whole service on the mock provider, without HTTP. */
export const make = Effect.map(Effect.context<SandboxService>(), (context) =>
  OwnRow.make(
    "whole service",
    "SandboxService.execute on the same provider",
    Effect.provide(MockService.complete("bench"), context)
  )
)
