import { Context, Duration, Effect, Layer, type Redacted } from "effect"
import type { NetworkKind } from "./NetworkWire.js"

export interface E2BOptions {
  readonly apiKey: Redacted.Redacted
  /** For people; `E2B` unless told. */
  readonly name?: string
  /** E2B's API; `https://api.` and the domain unless told. */
  readonly apiUrl?: string
  /** Where the daemon in the sandboxes is reached; by the domain unless told. */
  readonly sandboxUrl?: string
  /** E2B's domain, for self-hosted clusters; `e2b.app` unless told. */
  readonly domain?: string
  /** The template that sandboxes are made from; `base` unless told. */
  readonly template?: string
  /**
   * Whether programs of whom nothing else is said reach the internet, where the provider can offer it; yes unless told.
   */
  readonly internetAccess?: boolean
  /**
   * How sandboxes are held to a network policy: `e2b` unless told; `embedded` where the embedded host was given a
   * network, `none` where sandboxes have none.
   */
  readonly network?: NetworkKind
  /**
   * Whether requests that make, list, prolong and end sandboxes and start programs in them carry the `traceparent` of
   * the span that they are made in, if that is recorded; no unless told.
   */
  readonly sendsTraceParent?: boolean
  /** Longest wait for one answer of the provider; 30 s unless told. */
  readonly requestTimeout?: Duration.DurationInput
  /** Requests with files from disk that are on their way at once, of all sandboxes; 4 unless told. */
  readonly formsAtOnce?: number
}

/** How to reach E2B, or a host that speaks its API. */
export class E2BConfig extends Context.Tag("@bulkhead/e2b/E2BConfig")<
  E2BConfig,
  Required<
    Pick<
      E2BOptions,
      "apiKey" | "name" | "internetAccess" | "network" | "apiUrl" | "domain" | "sendsTraceParent"
    >
  > &
    Pick<E2BOptions, "sandboxUrl" | "template"> & {
      readonly requestTimeout: Duration.Duration
      /** One permit for each form of files on its way, since each takes some megabytes of memory. */
      readonly forms: Effect.Semaphore
    }
>() {
  static layer(options: E2BOptions): Layer.Layer<E2BConfig> {
    const { domain = "e2b.app", formsAtOnce = 4 } = options
    return Layer.effect(
      E2BConfig,
      Effect.map(Effect.makeSemaphore(formsAtOnce), (forms) => ({
        name: "E2B",
        internetAccess: true,
        network: "e2b" as const,
        sendsTraceParent: false,
        // The SDK would read these from the environment.
        domain,
        apiUrl: `https://api.${domain}`,
        ...options,
        requestTimeout: Duration.decode(options.requestTimeout ?? "30 seconds"),
        forms
      }))
    )
  }
}
