import { randomUUID } from "node:crypto"
import type { SandboxFailure, SandboxFile } from "@bulkhead/sandbox"
import { NotEnoughSpaceError, SandboxError, type Sandbox as SdkSandbox, TimeoutError } from "e2b"
import { type Context, Duration, Effect } from "effect"
import type { E2BConfig } from "./E2BConfig.js"
import { classify } from "./E2BErrors.js"

/** Bytes that a provider takes in one second, at the least. */
const slowest = 1_048_576

/** Files that a provider takes within the time of one request. */
export const filesAtOnce = 100

export const blobOf = ({ content }: SandboxFile) =>
  content instanceof Blob ? content : new Blob([new Uint8Array(content)])

/** Whether a name is the same as forms of browsers write it and as E2B reads it, which takes no %22 for a quote. */
export const isPlain = ({ path }: SandboxFile) => !/["\\]/.test(path)

/** As E2B reads names, by Go's `mime.ParseMediaType`. It has no way to write the end of a line. */
const nameOf = ({ path }: SandboxFile) =>
  path.replaceAll(/["\\]/g, "\\$&").replaceAll("\n", "%0A").replaceAll("\r", "%0D")

/** A form as one blob: `fetch` copies each piece of a `FormData`, and sends a blob as it is read. */
const formOf = (files: ReadonlyArray<SandboxFile>) => {
  const boundary = `bulkhead-${randomUUID()}`
  const parts = files.flatMap((file) => [
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${nameOf(file)}"\r\n`,
    "content-type: application/octet-stream\r\n\r\n",
    blobOf(file),
    "\r\n"
  ])
  return new Blob([...parts, `--${boundary}--\r\n`], { type: `multipart/form-data; boundary=${boundary}` })
}

const bytesOf = ({ content }: SandboxFile) => (content instanceof Blob ? content.size : content.length)

/** The same error as the SDK has for an answer: 502 is what is answered for a sandbox that is gone. */
const errorOf = async (response: Response) => {
  const message = `${response.status}: ${await response.text()}`
  if (response.status === 507) return new NotEnoughSpaceError(message)
  return response.status === 502
    ? new TimeoutError(`${message}: likely due to sandbox timeout`)
    : new SandboxError(message)
}

/**
 * The SDK's own `write` keeps a whole copy of what it sends, since its requests could be redirected. A request that
 * may not be, and that has no window, is sent as it is read.
 */
const post = async (sdk: SdkSandbox, files: ReadonlyArray<SandboxFile>, signal: AbortSignal) => {
  const response = await fetch(await sdk.uploadUrl(), {
    method: "POST",
    // As in the SDK's own requests: what is answered for a sandbox that is gone depends on it.
    headers: { "E2b-Sandbox-Id": sdk.sandboxId },
    body: formOf(files),
    signal,
    redirect: "error",
    window: null
  })
  if (!response.ok) throw await errorOf(response)
  await response.arrayBuffer()
}

const timedOut = new DOMException("The form was not taken in time", "TimeoutError")

/** Sends files that lie on disk, or whose names are not plain, and others beside them, in one form of our own. */
export const send = (
  sdk: SdkSandbox,
  files: ReadonlyArray<SandboxFile>,
  { forms, requestTimeout }: Context.Tag.Service<E2BConfig>
): Effect.Effect<void, SandboxFailure> => {
  const bytes = files.reduce((sum, file) => sum + bytesOf(file), 0)
  const forFiles = Duration.times(requestTimeout, Math.ceil(files.length / filesAtOnce))
  return Effect.tryPromise({
    try: (signal) => post(sdk, files, signal),
    catch: classify("files")
  }).pipe(
    Effect.timeoutFail({
      duration: Duration.sum(forFiles, Duration.seconds(bytes / slowest)),
      onTimeout: () => classify("files")(timedOut)
    }),
    forms.withPermits(1),
    Effect.withSpan("FileForm.send")
  )
}
