import {
  describeGpus,
  type ExecutionId,
  ExecutionRequest,
  excessIn,
  faultOf,
  type Gpus,
  type ImageName,
  InvalidRequest,
  isBase64,
  PolicyRefused,
  RequestTooLarge
} from "@bulkhead/domain"
import { type Context, Either, Schema } from "effect"
import type { LimitValues } from "../Limits.js"
import type { Runtime } from "../Sandboxes/Toolchain.js"
import type { Webhooks } from "../Webhooks/Webhooks.js"

const decode = Schema.decodeUnknownEither(ExecutionRequest, { onExcessProperty: "error" })

/** Reads a request, naming the first field that is wrong or that the limits do not allow. */
export const read = (
  executionId: ExecutionId,
  input: unknown,
  limits: LimitValues
): Either.Either<ExecutionRequest, InvalidRequest | RequestTooLarge> => {
  const excess = excessIn(input, limits.maxUploadFiles)
  if (excess !== undefined) return Either.left(new InvalidRequest({ executionId, ...excess }))
  const decoded = decode(input)
  if (Either.isRight(decoded)) return checkLimits(executionId, decoded.right, limits)
  return Either.left(new InvalidRequest({ executionId, ...faultOf(decoded.left, "request") }))
}

/** Refuses what the limits do not allow, and what only several fields together can tell. */
const checkLimits = (
  executionId: ExecutionId,
  request: ExecutionRequest,
  { maxCodeBytes, maxTimeout }: LimitValues
): Either.Either<ExecutionRequest, RequestTooLarge | InvalidRequest> => {
  const { code, stdin = "", stdinEncoding, timeout } = request
  if (Buffer.byteLength(code) > maxCodeBytes) {
    const message = `code: expected at most ${maxCodeBytes} bytes, got ${Buffer.byteLength(code)}`
    return Either.left(new RequestTooLarge({ executionId, field: "code", message }))
  }
  if (timeout !== undefined && timeout > maxTimeout) {
    const message = `timeout: expected at most ${maxTimeout} seconds, got ${timeout}`
    return Either.left(new InvalidRequest({ executionId, field: "timeout", message }))
  }
  if (stdinEncoding === "base64" && !isBase64(stdin))
    return Either.left(new InvalidRequest({ executionId, field: "stdin", message: "stdin: expected base64" }))
  return Either.right(request)
}

/** Refuses a webhook that will not be sent to. */
export const checkWebhook = (
  executionId: ExecutionId,
  { webhook }: ExecutionRequest,
  { flawOf }: Context.Tag.Service<Webhooks>
): Either.Either<void, InvalidRequest> => {
  const flaw = webhook && flawOf(webhook.url)
  if (flaw === undefined) return Either.void
  return Either.left(new InvalidRequest({ executionId, field: "webhook", message: `webhook: ${flaw}` }))
}

/** Refuses an image that is not there, naming those that are. */
export const checkImage = (
  executionId: ExecutionId,
  { image }: ExecutionRequest,
  images: ReadonlyMap<ImageName, string>
): Either.Either<void, InvalidRequest> => {
  if (image === undefined || images.has(image)) return Either.void
  const expected =
    images.size === 0 ? "none, there are no images here" : `one of ${[...images.keys()].join(", ")}`
  return Either.left(
    new InvalidRequest({ executionId, field: "image", message: `image: expected ${expected}` })
  )
}

const unsupported = (executionId: ExecutionId, field: string, message: string) =>
  Either.left(new PolicyRefused({ executionId, field, message: `${field}: ${message}` }))

/** Which GPUs the execution will wait for: none where it asks for none. Refuses what it could never be given. */
export const chooseGpus = (
  executionId: ExecutionId,
  { gpu }: ExecutionRequest,
  { maxGpus, maxGpusPerExecution, maxGpusPerUser }: LimitValues,
  present: ReadonlyArray<Gpus>
): Either.Either<Gpus | undefined, InvalidRequest | PolicyRefused> => {
  if (gpu === undefined) return Either.right(undefined)
  const { count, kind } = gpu
  if (present.length === 0)
    return unsupported(executionId, "gpu", "expected none, since the sandboxes here have no GPUs")
  const most = Math.min(maxGpus, maxGpusPerExecution, maxGpusPerUser)
  if (count > most) {
    const message = `gpu.count: expected at most ${most} GPUs, got ${count}`
    return Either.left(new InvalidRequest({ executionId, field: "gpu.count", message }))
  }
  const ofKind = present.filter((each) => kind === undefined || each.kind === kind)
  if (ofKind.length === 0)
    return unsupported(
      executionId,
      "gpu.kind",
      `expected one of ${present.map(({ kind }) => kind).join(", ")}`
    )
  const chosen = ofKind.find((each) => each.count >= count)
  if (chosen) return Either.right({ kind: chosen.kind, count })
  return unsupported(executionId, "gpu.count", `expected no more than there are: ${describeGpus(ofKind)}`)
}

/** The runtime of the request's language, or what could be asked for instead. */
export const chooseRuntime = (
  executionId: ExecutionId,
  language: string,
  runtimes: ReadonlyArray<Runtime>
): Either.Either<Runtime, InvalidRequest> => {
  const runtime = runtimes.find((runtime) => runtime.language === language)
  if (runtime) return Either.right(runtime)
  const known = runtimes.map((runtime) => runtime.language).join(", ")
  const message = `language: expected one of ${known}`
  return Either.left(new InvalidRequest({ executionId, field: "language", message }))
}
