import { defaultLimits, type ExecutionId, type ExecutionResult, ExecutionId as Id } from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { type Context, Effect, Layer, Stream } from "effect"

type Service = Context.Tag.Service<SandboxService>

const unmeant = (call: string) => Effect.dieMessage(`SandboxService.${call} was not meant to be called`)

/** A service that does what it is given, and dies on every other call. */
export const layer = (service: Partial<Service> = {}) =>
  Layer.succeed(SandboxService, {
    execute: () => unmeant("execute"),
    stream: () => Stream.unwrap(unmeant("stream")),
    submit: () => unmeant("submit"),
    begin: () => unmeant("begin"),
    updates: () => Stream.unwrap(unmeant("updates")),
    receive: () => Effect.void,
    canStartExecution: () => unmeant("canStartExecution"),
    startExecution: () => unmeant("startExecution"),
    endExecution: () => unmeant("endExecution"),
    killExecution: () => unmeant("killExecution"),
    getSystemMetrics: unmeant("getSystemMetrics"),
    getUserMetrics: () => unmeant("getUserMetrics"),
    getLogs: () => unmeant("getLogs"),
    getEvents: () => unmeant("getEvents"),
    listExecutions: () => unmeant("listExecutions"),
    getExecution: () => unmeant("getExecution"),
    getUsage: () => unmeant("getUsage"),
    verifyAudit: unmeant("verifyAudit"),
    limits: Effect.succeed(defaultLimits),
    network: undefined,
    changeLimits: () => unmeant("changeLimits"),
    replicas: unmeant("replicas"),
    readiness: unmeant("readiness"),
    images: unmeant("images"),
    runtimes: unmeant("runtimes"),
    shutdown: unmeant("shutdown"),
    ...service
  })

export const executionId: ExecutionId = Id.make("exec_1")

/** What came of `print("hi")`. */
export const completed: ExecutionResult = {
  executionId,
  success: true,
  verdict: "Completed",
  stdout: "hi\n",
  stderr: "",
  exitCode: 0,
  metrics: { executionTimeMs: 31, queueTimeMs: 0, retries: 0 },
  output: { stdoutBytes: 3, stderrBytes: 0, truncated: false },
  artifacts: [],
  rejectedArtifacts: []
}
