import { Effect, Option, type Scope } from "effect"
import type { CgroupUsage } from "../Cgroups/Cgroups.js"
import { LaunchFailed, RpcRefused } from "../HostErrors.js"
import type { Death } from "../Isolation/Death.js"
import { type GuestUser, homes } from "../Isolation/GuestUser.js"
import type { Isolation } from "../Isolation/Isolation.js"
import * as Timer from "../Timer.js"
import * as AgentSession from "./AgentSession.js"
import * as GuestProcess from "./GuestProcess.js"

/** A program to run, as envd's `ProcessConfig` tells it. */
export interface ProgramConfig {
  readonly user: GuestUser
  readonly cmd: string
  readonly args: ReadonlyArray<string>
  readonly envs: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly stdin: boolean
  readonly tag?: string
  /** Milliseconds after which it is killed, whether or not anyone still listens. */
  readonly deadline?: number
}

/** A program that runs, or has ended not long ago. */
export interface Program {
  readonly config: ProgramConfig
  readonly process: GuestProcess.GuestProcess
}

/** What a sandbox uses. */
export interface GuestUsage extends CgroupUsage {
  readonly diskBytes: number
  readonly diskTotalBytes: number
}

/** A place to run programs in that nothing can get out of. */
export interface GuestSandbox {
  /** Starts a program; see `GuestProcess.start`. */
  readonly start: (config: ProgramConfig) => Effect.Effect<GuestProcess.Started, RpcRefused, Scope.Scope>
  /** Starts a file operation inside the sandbox, as the user. */
  readonly operateOnFiles: (
    user: GuestUser,
    operation: ReadonlyArray<string>,
    input: boolean
  ) => Effect.Effect<GuestProcess.Started, RpcRefused, Scope.Scope>
  /** A program by its process id in the sandbox. */
  readonly program: (pid: number) => Program | undefined
  /** The program that bears a tag. */
  readonly tagged: (tag: string) => Program | undefined
  /** The programs that run now. */
  readonly running: () => ReadonlyArray<Program>
  /** What it uses now; none when it is gone. */
  readonly usage: Effect.Effect<Option.Option<GuestUsage>>
  /** Done once every process of the sandbox has ended. */
  readonly death: Death
}

const absolute = (cwd: string | undefined, home: string) => {
  if (cwd === undefined || cwd === "" || cwd === "~") return home
  if (cwd.startsWith("~/")) return `${home}${cwd.slice(1)}`
  return cwd.startsWith("/") ? cwd : `${home}/${cwd}`
}

const tooLate = new RpcRefused({ code: "deadline_exceeded", message: "the deadline has passed" })

/** Kills a process at its deadline, whether or not anyone still listens. */
const expire = ({ process, subscriber }: GuestProcess.Started, deadline: number) =>
  process.onEnd(
    Timer.after(deadline, () => {
      process.signal(GuestProcess.SIGKILL)
      subscriber.fail(tooLate)
    })
  )

const untilReady = (session: AgentSession.AgentSession, death: Death, limit: number) =>
  Effect.async<void, LaunchFailed>((resume) => {
    const fail = (reason: string) => resume(Effect.failSync(() => new LaunchFailed({ reason })))
    const stop = Timer.after(limit, () => fail(`the agent said nothing for ${limit} ms`))
    session.onReady(() => {
      stop()
      resume(Effect.void)
    })
    death.tell((said) => {
      stop()
      fail(said.trim())
    })
    return Effect.sync(stop)
  })

const withoutNul = (strings: ReadonlyArray<string>) =>
  strings.some((text) => text.includes("\0"))
    ? Effect.fail(new RpcRefused({ code: "invalid_argument", message: "a NUL byte is not allowed here" }))
    : Effect.void

/** Starts a sandbox in a free slot; closing the scope kills it, and has waited for the proof when it is done. */
export const make = Effect.fnUntraced(function* (
  isolation: Isolation,
  envVars: Readonly<Record<string, string>>
) {
  const { options } = isolation
  const slot = yield* isolation.slot
  const { death, id, socket } = yield* isolation.launcher.launch(slot)
  const session = AgentSession.make(socket)
  yield* untilReady(session, death, options.startLimit)
  const clock = yield* Effect.clock
  const programs = new Map<number, Program>()
  const forgetEnded = () => {
    const now = clock.unsafeCurrentTimeMillis()
    for (const [pid, { process }] of programs) {
      const endedAt = process.endedAt()
      if (endedAt !== undefined && now - endedAt > options.keepEnded) programs.delete(pid)
    }
  }
  const environment = (config: ProgramConfig) => ({
    PATH: isolation.path,
    HOME: homes[config.user],
    USER: config.user,
    LOGNAME: config.user,
    E2B_SANDBOX: "true",
    ...envVars,
    ...config.envs
  })
  const start = (config: ProgramConfig) =>
    Effect.gen(function* () {
      const request: AgentSession.StartRequest = {
        kind: "program",
        user: config.user,
        cwd: absolute(config.cwd, homes[config.user]),
        input: config.stdin,
        argv: [config.cmd, ...config.args],
        env: Object.entries(environment(config)).map(([name, value]) => `${name}=${value}`)
      }
      yield* withoutNul([request.cwd, ...request.argv, ...request.env])
      const started = yield* GuestProcess.start(session, request, options.stallLimit)
      forgetEnded()
      programs.set(started.process.pid, { config, process: started.process })
      if (config.deadline !== undefined) expire(started, config.deadline)
      return started
    })
  const operateOnFiles = (user: GuestUser, operation: ReadonlyArray<string>, input: boolean) =>
    Effect.zipRight(
      withoutNul(operation),
      GuestProcess.start(
        session,
        { kind: "file", user, cwd: homes[user], input, argv: operation, env: [] },
        options.stallLimit
      )
    )
  const measure = (withProcesses: boolean) =>
    Effect.async<Option.Option<ReadonlyArray<number>>>((resume) =>
      session.measure(withProcesses, (numbers) => resume(Effect.succeed(Option.fromNullable(numbers))))
    )
  const usage = Effect.gen(function* () {
    const told = yield* measure(Option.isNone(isolation.cgroups))
    const counted = yield* Option.match(isolation.cgroups, {
      onNone: () =>
        Effect.succeed(
          Option.map(told, ([, , cpuMicros = 0, memoryBytes = 0]) => ({
            cpuMicros,
            memoryBytes,
            cacheBytes: 0
          }))
        ),
      onSome: (cgroups) => cgroups.usage(id)
    })
    return Option.zipWith(
      told,
      counted,
      ([diskTotalBytes = 0, diskBytes = 0], used): GuestUsage => ({
        ...used,
        diskBytes,
        diskTotalBytes
      })
    )
  })
  return {
    start,
    operateOnFiles,
    usage,
    program: (pid) => {
      forgetEnded()
      return programs.get(pid)
    },
    tagged: (tag) => [...programs.values()].find(({ config }) => config.tag === tag),
    running: () => [...programs.values()].filter(({ process }) => process.endedAt() === undefined),
    death
  } satisfies GuestSandbox
})
