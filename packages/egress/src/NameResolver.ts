import { Resolver } from "node:dns"
import { Context, Effect, Layer, Schema } from "effect"

/** Nothing is known of a name. */
export class NameUnknown extends Schema.TaggedError<NameUnknown>()("NameUnknown", {}) {}

const lookUp = (name: string, family: "resolve4" | "resolve6") =>
  Effect.async<ReadonlyArray<string>, NameUnknown>((resume) => {
    const resolver = new Resolver({ timeout: 2000, tries: 2 })
    resolver[family](name, (error, addresses) =>
      resume(error === null ? Effect.succeed(addresses) : new NameUnknown())
    )
    return Effect.sync(() => resolver.cancel())
  })

/** Asks DNS which addresses a name has. */
export class NameResolver extends Context.Tag("@bulkhead/egress/NameResolver")<
  NameResolver,
  { readonly addressesOf: (name: string) => Effect.Effect<ReadonlyArray<string>, NameUnknown> }
>() {
  /**
   * Asks the DNS servers of this machine itself, and does not look into its hosts file: the system's own way to look
   * names up keeps a thread busy until there is an answer, so that a few names without one would stop all work on files.
   */
  static readonly layer: Layer.Layer<NameResolver> = Layer.succeed(NameResolver, {
    addressesOf: (name) =>
      Effect.all([Effect.option(lookUp(name, "resolve4")), Effect.option(lookUp(name, "resolve6"))], {
        concurrency: "unbounded"
      }).pipe(
        Effect.map((found) =>
          found.flatMap((addresses) => (addresses._tag === "Some" ? addresses.value : []))
        ),
        Effect.filterOrFail(
          (addresses) => addresses.length > 0,
          () => new NameUnknown()
        )
      )
  })
}
