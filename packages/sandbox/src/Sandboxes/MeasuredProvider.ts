import { Cause, type Context, Effect, Exit, Metric, Option } from "effect"
import { counter, labelled, seconds } from "../Instruments/Labelled.js"
import * as SteadyClock from "../SteadyClock.js"
import type { Sandbox, SandboxFailure, SandboxProvider } from "./SandboxProvider.js"

const calls = labelled(
  counter("bulkhead_provider_calls_total", "Calls of the sandbox provider: `ok`, or the error's code."),
  ["operation", "outcome"]
)
const callTime = labelled(
  seconds("bulkhead_provider_call_seconds", "How long calls of the sandbox provider took."),
  ["operation"]
)

type Operation = "create" | "renew" | "write" | "run" | "signal" | "destroy" | "list" | "kill"

const outcomeOf = (exit: Exit.Exit<unknown, SandboxFailure>) => {
  if (Exit.isSuccess(exit)) return "ok"
  if (Cause.isInterruptedOnly(exit.cause)) return "interrupted"
  return Option.match(Cause.failureOption(exit.cause), {
    onNone: () => "INTERNAL_ERROR",
    onSome: ({ code }) => code
  })
}

const count = (operation: Operation, from: number) => (exit: Exit.Exit<unknown, SandboxFailure>) =>
  Effect.gen(function* () {
    const now = yield* SteadyClock.now
    yield* Metric.increment(calls({ operation, outcome: outcomeOf(exit) }))
    yield* Metric.update(callTime({ operation }), (now - from) / 1000)
  })

const measured =
  (operation: Operation) =>
  <A, R>(call: Effect.Effect<A, SandboxFailure, R>) =>
    Effect.flatMap(SteadyClock.now, (from) => Effect.onExit(call, count(operation, from)))

const ofSandbox = (sandbox: Context.Tag.Service<Sandbox>): Context.Tag.Service<Sandbox> => ({
  ...sandbox,
  renew: (lifetime) => measured("renew")(sandbox.renew(lifetime)),
  write: (files) => measured("write")(sandbox.write(files)),
  run: (command) => measured("run")(sandbox.run(command)),
  signal: (name) => measured("signal")(sandbox.signal(name)),
  destroy: measured("destroy")(sandbox.destroy)
})

/** The same provider, whose calls are counted and timed: of `run` what it takes until the command has started. */
export const of = (provider: Context.Tag.Service<SandboxProvider>): Context.Tag.Service<SandboxProvider> => ({
  ...provider,
  create: (options) => Effect.map(measured("create")(provider.create(options)), ofSandbox),
  list: (metadata) => measured("list")(provider.list(metadata)),
  kill: (sandboxId) => measured("kill")(provider.kill(sandboxId))
})
