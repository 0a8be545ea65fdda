import { assert, describe, it } from "@effect/vitest"
import { Cause, Console, Effect, Logger } from "effect"
import * as TerminalLogger from "../../src/observability/TerminalLogger.js"
import * as TracedLogger from "../../src/observability/TracedLogger.js"
import * as Caller from "../Caller.js"
import { hostileTexts } from "../HostileTexts.js"
import * as ServerProcess from "../ServerProcess.js"

const unseen = /[\p{C}\p{Zl}\p{Zp}]/u
const acting = /(?!\t|\n|\r\n)[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u

/** Logs a text in every place of a line where a stranger's words can be. */
const saying = (text: string) =>
  Effect.logError(text, new Error(text), { [text]: text }, Cause.die(new Error(text))).pipe(
    Effect.annotateLogs("words", text),
    Effect.withLogSpan("span")
  )

/** What a logger prints, as the console gets it. */
const printedBy = (logger: Logger.Logger<unknown, unknown>, logs: Effect.Effect<void>) =>
  Console.consoleWith((usual) => {
    const lines: Array<string> = []
    const print = (...words: ReadonlyArray<unknown>) => void lines.push(words.map(String).join(" "))
    const unsafe = {
      ...console,
      log: print,
      error: print,
      group: print,
      groupCollapsed: print,
      groupEnd() {}
    }
    return logs.pipe(
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Effect.withConsole({ ...usual, unsafe }),
      Effect.as(lines)
    )
  })

const post = (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  Caller.fetchJson(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...Caller.asAdmin.headers, ...headers },
    body: JSON.stringify(body)
  })

/** Requests that have the words in some place. */
const requests = [
  (words: string) => post(`/api/execute/${encodeURIComponent(words.slice(0, 2000).toWellFormed())}`, {}),
  (words: string) => {
    // Headers are Latin-1.
    const header = words.slice(0, 100).replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, "?")
    const headers = { "user-agent": header, "x-request-id": header, "idempotency-key": header }
    return post("/api/executions", { code: words, userId: words, language: words, image: words }, headers)
  },
  (words: string) =>
    post("/api/executions", { code: "1", webhook: words, files: [{ path: words, content: "" }] }),
  (words: string) => post("/api/sandbox/kill/exec_1", { reason: words })
]

describe("a line of the log", () => {
  it.effect("is one line of JSON that has the same words, in which nothing is unseen", () =>
    Effect.forEach(hostileTexts, (text) =>
      Effect.gen(function* () {
        const lines = yield* printedBy(Logger.withConsoleLog(TracedLogger.json), saying(text))
        assert.lengthOf(lines, 1)
        assert.notMatch(lines[0] ?? "", unseen)
        const { annotations, message } = JSON.parse(lines[0] ?? "")
        assert.strictEqual(annotations.words, text)
        assert.include(message, text)
      })
    )
  )

  it.effect("has nothing that a terminal acts on, but for the log's own colours", () =>
    Effect.forEach(hostileTexts, (text) =>
      Effect.gen(function* () {
        const logger = TerminalLogger.of(Logger.prettyLogger({ colors: false, mode: "tty" }))
        const lines = yield* printedBy(logger, saying(text))
        assert.isNotEmpty(lines)
        for (const line of lines) assert.notMatch(line, acting)
      })
    )
  )

  it.scopedLive(
    "of a server is one, whatever its callers send",
    () =>
      Effect.gen(function* () {
        const server = yield* ServerProcess.start({
          SANDBOX_EVENT_LOG: "stdout",
          SANDBOX_ACCESS_LOG: "stdout",
          SANDBOX_KILL_GRACE_PERIOD: "1"
        })
        yield* Effect.forEach(
          hostileTexts,
          (text, index) => requests[index % requests.length]?.(text) ?? Effect.void,
          {
            concurrency: 4,
            discard: true
          }
        ).pipe(Effect.provideService(ServerProcess.ServerProcess, server))
        const id = yield* post("/api/executions", { code: "sleep 100", language: "bash" }).pipe(
          Effect.map(({ body }) => body.executionId as string),
          Effect.provideService(ServerProcess.ServerProcess, server)
        )
        const reason = '"}\u009b2J{"level":"INFO"} %s \u202e'
        yield* post(`/api/sandbox/kill/${id}`, { reason }).pipe(
          Effect.provideService(ServerProcess.ServerProcess, server)
        )
        yield* server.kill("SIGTERM")
        const { stderr, stdout } = yield* server.ended
        const lines = stdout.trimEnd().split("\n")
        assert.isAtLeast(lines.length, hostileTexts.length)
        for (const line of lines) {
          assert.notMatch(line, unseen)
          assert.isObject(JSON.parse(line))
        }
        assert.isNotEmpty(lines.filter((line) => line.includes(id)))
        assert.notMatch(stderr, acting)
      }),
    120_000
  )
})
