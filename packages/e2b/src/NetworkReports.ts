import { NetworkReport } from "@bulkhead/domain"
import { SandboxFailure } from "@bulkhead/sandbox"
import { type Context, Duration, Effect, Redacted, Schema } from "effect"
import type { E2BConfig } from "./E2BConfig.js"

/** How much longer an answer may take than it is told to wait. */
const answerBound = Duration.seconds(10)

const decode = Schema.decodeUnknown(NetworkReport)

const failure = (retryable: boolean, cause?: unknown) =>
  new SandboxFailure({
    code: retryable ? "ECONNRESET" : "INTERNAL_ERROR",
    phase: "run",
    message: "The sandbox does not tell of its connections",
    retryable,
    cause
  })

/** An answer that is none of ours comes from a host that has no such route, or no such sandbox any more. */
const read = (response: Response) =>
  response.ok
    ? Effect.tryPromise({ try: () => response.json(), catch: (cause) => failure(true, cause) }).pipe(
        Effect.flatMap((body) => Effect.mapError(decode(body), (cause) => failure(false, cause)))
      )
    : Effect.fail(failure(response.status >= 500))

const urlOf = (apiUrl: string, sandboxId: string, from: number, wait: Duration.Duration) =>
  `${apiUrl}/sandboxes/${encodeURIComponent(sandboxId)}/network/attempts?from=${from}&wait=${Math.floor(Duration.toSeconds(wait))}`

/** What the embedded host tells of a sandbox's tries to connect; the SDK has no call for that. */
export const reporter = (
  { apiKey, apiUrl }: Pick<Context.Tag.Service<E2BConfig>, "apiKey" | "apiUrl">,
  sandboxId: string
) =>
  Effect.fn("E2BSandbox.network")((from: number, wait: Duration.Duration = Duration.zero) =>
    Effect.tryPromise({
      try: (signal) =>
        fetch(urlOf(apiUrl, sandboxId, from, wait), {
          headers: { "X-API-Key": Redacted.value(apiKey) },
          signal
        }),
      catch: (cause) => failure(true, cause)
    }).pipe(
      Effect.flatMap(read),
      Effect.timeoutFail({
        duration: Duration.sum(wait, answerBound),
        onTimeout: () => failure(true)
      })
    )
  )
