import { SandboxService } from "@bulkhead/sandbox"
import { Effect } from "effect"
import * as MockService from "./MockService.js"
import * as OwnRow from "./OwnRow.js"

/** The whole service on the mock provider, without HTTP. */
export const make = Effect.map(SandboxService, (service) =>
  OwnRow.make(
    "whole service",
    "SandboxService.execute on the same provider",
    MockService.completeWith(service, "bench")
  )
)
