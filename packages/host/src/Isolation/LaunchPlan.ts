import type { Hierarchy, Setting } from "../Cgroups/Cgroups.js"
import { HOSTNAME } from "./GuestEtc.js"
import { type GuestRoot, parentsOf } from "./GuestRoot.js"

/**
 * What the launcher needs to know where it is root: each sandbox's disk, its root, its agent, and its programs' limits.
 */
export interface RootPlan {
  readonly disk: { readonly bytes: number; readonly inodes: number }
  readonly root: GuestRoot
  /** The program that is process 1, as the sandbox sees it. */
  readonly agent: string
  readonly programLimits: ProgramLimits
}

/** Limits of what no cgroup counts; 0 is none. */
export interface ProgramLimits {
  /** Of each of the user's programs, where there is no cgroup. */
  readonly processes: number
  readonly dataBytes: number
  /** Open files of each program. */
  readonly descriptors: number
  /** Connections of the whole sandbox that may wait to be accepted. */
  readonly connections: number
}

const devices: Readonly<Record<string, readonly [major: number, minor: number]>> = {
  null: [1, 3],
  zero: [1, 5],
  full: [1, 7],
  random: [1, 8],
  urandom: [1, 9],
  tty: [5, 0]
}

const deviceLinks = [
  ["pts/ptmx", "/dev/ptmx"],
  ["/proc/self/fd", "/dev/fd"],
  ["/proc/self/fd/0", "/dev/stdin"],
  ["/proc/self/fd/1", "/dev/stdout"],
  ["/proc/self/fd/2", "/dev/stderr"]
] as const

const emptyDirectories = ["/proc", "/home", "/tmp", "/run", "/var", "/dev", "/dev/shm", "/dev/pts"]

/** What the agent is told of its programs' limits, in the order of its arguments. */
export const agentWords = ({ connections, dataBytes, descriptors, processes }: ProgramLimits) => [
  ...[processes, dataBytes, descriptors, connections]
]

type Line = readonly [what: string, ...words: ReadonlyArray<string | number>]

const rootLines = (
  { binds, copies, directories: given, devices: beside, hidden, links, masked, programs }: GuestRoot,
  evidence: ReadonlyArray<string>
): ReadonlyArray<Line> => {
  const places = [
    ...emptyDirectories,
    ...given,
    ...[...binds, ...copies].map(([, place]) => place),
    ...evidence
  ]
  const directories = new Set([
    ...places.flatMap((place) => [...parentsOf(place), place]),
    ...programs.flatMap(([, place]) => parentsOf(place))
  ])
  return [
    ...[...directories].map((place): Line => ["directory", place]),
    ...[...links, ...deviceLinks].map(([target, place]): Line => ["link", target, place]),
    ...Object.entries(devices).map(([name, numbers]): Line => ["device", `/dev/${name}`, ...numbers]),
    ...beside.map(({ major, minor, place }): Line => ["device", place, major, minor]),
    ...binds.map(([source, place]): Line => ["bind", source, place]),
    ...hidden.map((place): Line => ["hide", place]),
    ...copies.map(([source, place]): Line => ["copy", source, place]),
    ...masked.map((file): Line => ["mask", file]),
    ...programs.map(([source, place]): Line => ["program", source, place])
  ]
}

const sandboxLines = ({ agent, disk, programLimits }: RootPlan): ReadonlyArray<Line> => [
  ["disk", `size=${disk.bytes},nr_inodes=${disk.inodes}`],
  ["hostname", HOSTNAME],
  ["agent", agent, ...agentWords(programLimits)]
]

const words = (settings: ReadonlyArray<Setting>) => settings.map(([file, value]) => `${file}=${value}`)

const cgroupLines = ({ inner, join, parent, place, settings }: Hierarchy): ReadonlyArray<Line> => [
  ["cgroup", parent, join, place, ...words(settings)],
  ...(inner === undefined ? [] : [["inner", inner.keepers, ...words(inner.settings)] as const])
]

/** How many files of the cgroup of programs an agent is passed: what lets one in, of each, and one that limits them. */
export const groupFiles = (hierarchies: ReadonlyArray<Hierarchy>): number => {
  const joins = hierarchies.filter(({ inner }) => inner !== undefined).length
  return joins === 0 ? 0 : joins + 1
}

/**
 * The text that the launcher reads at its start, with plan.c: what it makes once, and what for each sandbox, which may
 * run on as many processors at once as it may use the time of.
 */
export const text = (
  hierarchies: ReadonlyArray<Hierarchy>,
  processors: number,
  rootPlan: RootPlan | undefined
): string => {
  const evidence = hierarchies.map(({ place }) => place).filter((place) => place !== "")
  const lines: ReadonlyArray<Line> = [
    ["processors", Math.ceil(processors)],
    ...hierarchies.flatMap(cgroupLines),
    ...(rootPlan === undefined ? [] : [...sandboxLines(rootPlan), ...rootLines(rootPlan.root, evidence)])
  ]
  return lines.map((line) => `${line.join("\t")}\n`).join("")
}
