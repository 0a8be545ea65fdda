import { executionError, type ImageList, type ImageName } from "@bulkhead/domain"
import { type Context, Effect } from "effect"
import type { SandboxFailure } from "./SandboxProvider.js"
import type { Toolchain, ToolchainFacts } from "./Toolchain.js"

const contentsOf = ({ manifest, runtimes }: ToolchainFacts) => ({
  ...(manifest?.description !== undefined && { description: manifest.description }),
  languages: runtimes.map(({ language, version }) => ({ name: language, version })),
  packages: manifest?.packages ?? []
})

const contents = (facts: Effect.Effect<ToolchainFacts, SandboxFailure>) =>
  Effect.match(facts, {
    onSuccess: contentsOf,
    onFailure: ({ code, message }) => ({ languages: [], packages: [], error: executionError(code, message) })
  })

/** What there is to choose from, as far as it can be found out. */
export const list = (
  { facts, factsOf }: Context.Tag.Service<Toolchain>,
  images: ReadonlyMap<ImageName, string>
): Effect.Effect<ImageList> =>
  Effect.all(
    {
      plain: contents(facts),
      images: Effect.forEach(
        [...images.keys()],
        (name) => Effect.map(contents(factsOf(name)), (found) => ({ name, ...found })),
        { concurrency: 2 }
      )
    },
    { concurrency: 2 }
  )
