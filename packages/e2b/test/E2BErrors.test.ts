import { E2BErrors } from "@bulkhead/e2b"
import { assert, describe, it } from "@effect/vitest"
import {
  AuthenticationError,
  NotEnoughSpaceError,
  RateLimitError,
  SandboxError,
  SandboxNotFoundError,
  ServiceBusyError,
  TimeoutError
} from "e2b"

const withStatus = (statusCode: number) => Object.assign(new SandboxError("refused"), { statusCode })
const fetchFailed = (code: string) => new TypeError("fetch failed", { cause: { code } })

describe("an error of the SDK", () => {
  const rows = [
    ["create", new AuthenticationError("no"), "PERMISSION_DENIED", false],
    ["create", new RateLimitError("slow"), "RATE_LIMIT", true],
    ["create", new ServiceBusyError("busy"), "SANDBOX_BUSY", true],
    ["create", withStatus(400), "INTERNAL_ERROR", false],
    ["create", withStatus(403), "PERMISSION_DENIED", false],
    ["create", withStatus(429), "RATE_LIMIT", true],
    ["create", withStatus(500), "SANDBOX_BUSY", true],
    ["create", withStatus(504), "ETIMEDOUT", true],
    ["create", fetchFailed("ECONNREFUSED"), "ECONNREFUSED", true],
    ["create", fetchFailed("ENOTFOUND"), "ECONNREFUSED", true],
    ["create", fetchFailed("UND_ERR_CONNECT_TIMEOUT"), "ETIMEDOUT", true],
    ["create", fetchFailed("UND_ERR_SOCKET"), "ECONNRESET", true],
    ["create", new DOMException("slow", "TimeoutError"), "ETIMEDOUT", true],
    ["files", new NotEnoughSpaceError("full"), "DISK_LIMIT_EXCEEDED", false],
    ["start", new SandboxNotFoundError("429 or 5xx"), "SANDBOX_BUSY", true],
    ["start", new TimeoutError("slow"), "ETIMEDOUT", true],
    ["run", new SandboxNotFoundError("gone"), "ECONNRESET", true],
    ["run", new TimeoutError("sandbox was killed or reached its end of life"), "ECONNRESET", true],
    ["run", new SandboxError("2: [unknown] terminated"), "ECONNRESET", true],
    ["run", new SandboxError("Process exited without a result"), "ECONNRESET", true],
    ["run", new TypeError("terminated"), "ECONNRESET", true],
    ["run", new Error("a surprise"), "INTERNAL_ERROR", false]
  ] as const

  for (const [phase, error, code, retryable] of rows) {
    it(`${error.constructor.name} '${error.message}' on ${phase} is ${code}`, () => {
      const failure = E2BErrors.classify(phase)(error)
      assert.deepStrictEqual([failure.code, failure.phase, failure.retryable], [code, phase, retryable])
    })
  }

  it("keeps its own words out of what callers read", () => {
    const failure = E2BErrors.classify("create")(new SandboxError("no route from /srv/key to 10.0.0.1"))
    assert.notMatch(failure.message, /srv|10\.0/)
    assert.match(String(failure.cause), /10\.0/)
  })
})
