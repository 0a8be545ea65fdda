import type { Gate, NetworkPolicy } from "@bulkhead/egress"
import { Effect, Fiber, Option, type Scope } from "effect"
import type { CgroupUsage } from "../Cgroups/Cgroups.js"
import type { SecretsByHost } from "../ControlPlane/SecretRules.js"
import * as GpuRoot from "../Gpus/GpuRoot.js"
import type { Gpu } from "../Gpus/NvidiaDriver.js"
import { RpcRefused } from "../HostErrors.js"
import { type GuestUser, homes } from "../Isolation/GuestUser.js"
import type { Isolation } from "../Isolation/Isolation.js"
import type { Template } from "../Isolation/Template.js"
import type { Ending } from "../Launcher/LauncherProcess.js"
import * as AgentSession from "./AgentSession.js"
import * as CommandLength from "./CommandLength.js"
import { FileMetadata } from "./FileMetadata.js"
import * as GuestNetwork from "./GuestNetwork.js"
import * as GuestProcess from "./GuestProcess.js"
import type { Trust } from "./SecretGate.js"

/** What a sandbox is made from, and what its programs have. */
export interface GuestRequest {
  readonly madeFrom: Template
  readonly envVars: Readonly<Record<string, string>>
  /** What it may speak with. None: it has no network. */
  readonly network: Option.Option<NetworkPolicy>
  /** What its programs may use at their hosts without having it. */
  readonly secrets: SecretsByHost
  /** Those that it sees. */
  readonly gpus: ReadonlyArray<Gpu>
}

/** A program to run, as envd's `ProcessConfig` has it. */
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
  /** What clients have noted about its files. */
  readonly fileMetadata: FileMetadata
  /** The programs that run now, and those that have ended no longer than `keepEnded` ago. */
  readonly programs: Effect.Effect<ReadonlyArray<Program>>
  /** What it uses now; none when it is gone. */
  readonly usage: Effect.Effect<Option.Option<GuestUsage>>
  /** Its way to the world. None: it has none. */
  readonly network: Option.Option<Gate.Gate>
  /** What its programs must trust so that they can use their secrets. Absent: they have none. */
  readonly trust?: Trust
  /** What ended it, once it has ended. */
  readonly ending: Effect.Effect<Ending>
}

/** The caller's deadline has passed. */
export const tooLate = new RpcRefused({ code: "deadline_exceeded", message: "the deadline has passed" })

const absolute = (cwd: string | undefined, home: string) => {
  if (cwd === undefined || cwd === "" || cwd === "~") return home
  if (cwd.startsWith("~/")) return `${home}${cwd.slice(1)}`
  return cwd.startsWith("/") ? cwd : `${home}/${cwd}`
}

const invalid = (message: string) => new RpcRefused({ code: "invalid_argument", message })

const checkNoNul = (field: string, texts: ReadonlyArray<string>) =>
  texts.some((text) => text.includes("\0")) ? invalid(`${field} must be without NUL`) : Effect.void

const checkLength = (texts: ReadonlyArray<string>) =>
  Option.match(CommandLength.fault("cmd, args and envs", texts), {
    onNone: () => Effect.void,
    onSome: invalid
  })

/** A sandbox is no system to be kept whole: what was sent along may be installed, and what was not has a reason. */
const always = {
  NPM_CONFIG_UPDATE_NOTIFIER: "false",
  PIP_BREAK_SYSTEM_PACKAGES: "1",
  PIP_DISABLE_PIP_VERSION_CHECK: "1"
}

/** There is no network, so that to try again only takes time. */
const offline = {
  NPM_CONFIG_FETCH_RETRIES: "0",
  // It says that there is no network only when it tries again, at once.
  PIP_RETRIES: "1"
}

/** By what programs find the driver of their GPUs. */
const gpuEnvironment = ({ env, path }: Template) => ({
  PATH: `${path}:${GpuRoot.PROGRAMS}`,
  LD_LIBRARY_PATH: [GpuRoot.LIBRARIES, env.LD_LIBRARY_PATH].filter(Boolean).join(":")
})

const environment = (
  { envVars, gpus, madeFrom: template, network }: GuestRequest,
  { envs, user }: ProgramConfig,
  trust: Trust | undefined
) =>
  Object.entries({
    PATH: template.path,
    HOME: homes[user],
    USER: user,
    LOGNAME: user,
    E2B_SANDBOX: "true",
    ...always,
    ...(Option.isSome(network) ? GuestNetwork.environment : offline),
    ...template.env,
    ...(gpus.length > 0 && gpuEnvironment(template)),
    ...trust?.env,
    ...envVars,
    ...envs
  }).map(([name, value]) => `${name}=${value}`)

/** The programs of a sandbox. They are killed at their deadlines, and forgotten some milliseconds after their end. */
const makePrograms = Effect.fnUntraced(function* (keepEnded: number) {
  const scope = yield* Effect.scope
  const programs = new Map<number, Program>()
  const forget = (program: Program) =>
    Effect.sync(() => {
      // The kernel may have given its pid to a later one.
      if (programs.get(program.process.pid) === program) programs.delete(program.process.pid)
    })
  // A fiber that is forked where nothing interrupts would not let its scope close: hence `interruptible`.
  const killAtDeadline = ({ process, subscriber }: GuestProcess.Started, deadline: number) =>
    GuestProcess.kill(process).pipe(
      Effect.zipRight(Effect.sync(() => subscriber.fail(tooLate))),
      Effect.delay(deadline),
      Effect.interruptible,
      Effect.forkIn(scope)
    )
  const add = Effect.fnUntraced(function* (config: ProgramConfig, started: GuestProcess.Started) {
    const program = { config, process: started.process }
    programs.set(program.process.pid, program)
    const { deadline } = config
    const killer = deadline === undefined ? Fiber.void : yield* killAtDeadline(started, deadline)
    yield* program.process.ended.pipe(
      Effect.zipRight(Fiber.interrupt(killer)),
      Effect.zipRight(Effect.delay(forget(program), keepEnded)),
      Effect.interruptible,
      Effect.forkIn(scope)
    )
  })
  return { add, all: Effect.sync(() => [...programs.values()]) }
})

/** What the agent measures, and what the cgroups count where there are any. */
const measureUsage = (isolation: Isolation, id: number, session: AgentSession.AgentSession) =>
  Effect.gen(function* () {
    const measured = yield* session.measure(Option.isNone(isolation.cgroups))
    const counted = yield* Option.match(isolation.cgroups, {
      onNone: () =>
        Effect.succeed(
          Option.map(measured, ([, , cpuMicros = 0, memoryBytes = 0]) => ({
            cpuMicros,
            memoryBytes,
            cacheBytes: 0
          }))
        ),
      onSome: (cgroups) => cgroups.usage(id)
    })
    return Option.zipWith(
      measured,
      counted,
      ([diskTotalBytes = 0, diskBytes = 0], used): GuestUsage => ({ ...used, diskBytes, diskTotalBytes })
    )
  })

/** Starts a sandbox. Closing the scope kills it, and waits for the proof. */
export const make = Effect.fnUntraced(function* (
  isolation: Isolation,
  networks: Pick<GuestNetwork.GuestNetworks, "open">,
  sandbox: GuestRequest
) {
  const { options } = isolation
  const { gpus, madeFrom: template } = sandbox
  const launched = yield* gpus.length === 0 ? template.launcher.launch : template.launchWithGpus(gpus)
  const session = yield* AgentSession.make(launched, options.startLimit)
  yield* session.ready
  const network = yield* Effect.transposeMapOption(sandbox.network, (policy) =>
    networks.open(launched, policy, sandbox.secrets)
  )
  const trust = Option.getOrUndefined(network)?.trust
  const programs = yield* makePrograms(options.keepEnded)
  const start = (config: ProgramConfig) =>
    Effect.gen(function* () {
      const request: AgentSession.StartRequest = {
        kind: "program",
        user: config.user,
        cwd: absolute(config.cwd, homes[config.user]),
        input: config.stdin,
        argv: [config.cmd, ...config.args],
        env: environment(sandbox, config, trust)
      }
      yield* checkNoNul("cwd", [request.cwd])
      yield* checkNoNul("cmd and args", request.argv)
      yield* checkNoNul("envs", request.env)
      yield* checkLength([...request.argv, ...request.env])
      const started = yield* GuestProcess.start(session, request, options.stallLimit)
      yield* programs.add(config, started)
      return started
    })
  const operateOnFiles = (user: GuestUser, operation: ReadonlyArray<string>, input: boolean) =>
    Effect.zipRight(
      checkNoNul("the path", operation),
      GuestProcess.start(
        session,
        { kind: "file", user, cwd: homes[user], input, argv: operation, env: [] },
        options.stallLimit
      )
    )
  return {
    start,
    operateOnFiles,
    fileMetadata: yield* FileMetadata.make,
    programs: programs.all,
    usage: measureUsage(isolation, launched.id, session),
    network: Option.map(network, ({ gate }) => gate),
    ...(trust && { trust }),
    ending: launched.ending
  } satisfies GuestSandbox
})
