import { execFile } from "node:child_process"
import { existsSync, statSync } from "node:fs"
import type { ExecutionResult } from "@bulkhead/domain"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect } from "effect"
import * as Caller from "./Caller.js"
import type { Case } from "./cases/Case.js"
import { environment } from "./cases/Environment.js"
import { files } from "./cases/Files.js"
import { programs } from "./cases/Programs.js"
import { reported } from "./cases/Reported.js"
import * as ServerProcess from "./ServerProcess.js"

const themes = { reported, environment, programs, files }

/** More at once would make each of them slow. */
const atOnce = Effect.unsafeMakeSemaphore(4)

/** Sandboxes have the system's own commands, and none that were put beside them. */
/** What the tests hide, as they do with Perl, is there as a device. */
const isProgram = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() === true

const isHere = (need: string) =>
  need.startsWith("/") ? existsSync(need) : ["/usr/bin", "/usr/sbin"].some((at) => isProgram(`${at}/${need}`))

const printedHere = ({ code = "", language }: Case["request"]) =>
  Effect.async<string>((resume) => {
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8", HOME: "/nonexistent" }
    const program = language === "python" ? "/usr/bin/python3" : "bash"
    execFile(program, ["-c", code], { env }, (error, stdout) =>
      resume(error === null ? Effect.succeed(stdout) : Effect.die(error))
    )
  })

const assertPrinted = (found: string, expected: string | RegExp | undefined) => {
  if (typeof expected === "string") assert.strictEqual(found, expected)
  if (expected instanceof RegExp) assert.match(found, expected)
}

const check = (given: Case, result: ExecutionResult, stdout: Case["stdout"]) => {
  assert.strictEqual(result.verdict, given.verdict ?? "Completed")
  assertPrinted(result.stdout, stdout)
  assertPrinted(result.stderr, given.stderr)
  const kept = (result.artifacts ?? []).map(({ name }) => name).toSorted()
  if (given.kept !== undefined) assert.deepStrictEqual(kept, given.kept)
  if (given.refused !== undefined) {
    assert.isNotEmpty(result.rejectedArtifacts)
    for (const { name, reason } of result.rejectedArtifacts ?? [])
      assert.match(`${name}: ${reason}`, given.refused)
  }
  given.also?.(result)
}

/** What a failed check needs to be understood. */
const shorten = ({ stderr, stdout, ...rest }: ExecutionResult) =>
  JSON.stringify({ ...rest, stdout: stdout?.slice(-1000), stderr: stderr?.slice(-1000) }).slice(0, 4000)

const explained = (result: ExecutionResult, check: () => void) => {
  try {
    check()
  } catch (cause) {
    throw new Error(`${cause instanceof Error ? cause.message : cause}\n${shorten(result)}`, { cause })
  }
}

const comesOut = (given: Case) =>
  Effect.gen(function* () {
    const [took, { body, status }] = yield* Effect.timed(
      Caller.fetchJson("/api/execute", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(given.request)
      })
    )
    const stdout = given.likeHere ? yield* printedHere(given.request) : given.stdout
    explained(body, () => {
      assert.strictEqual(status, given.status ?? 200)
      check(given, body, stdout)
      assert.isAtMost(Duration.toSeconds(took), given.within ?? 90)
    })
  })

layer(ServerProcess.layer({ SANDBOX_KILL_GRACE_PERIOD: "1" }), {
  excludeTestServices: true,
  timeout: 60_000
})("harmless programs", (it) => {
  for (const [theme, cases] of Object.entries(themes)) {
    for (const given of cases) {
      const missing = (given.needs ?? []).filter((need) => !isHere(need))
      const title = `${theme}: ${given.name}${missing.length > 0 ? ` (without ${missing.join(", ")} here)` : ""}`
      const run = missing.length > 0 ? it.effect.skip : it.effect
      run(title, () => atOnce.withPermits(1)(comesOut(given)), { concurrent: true, timeout: 240_000 })
    }
  }
})
