/** A mounted cgroup hierarchy. */
export interface CgroupMount {
  readonly version: 1 | 2
  readonly directory: string
  /** The path that is seen at the directory: "/" unless a container shows only its own. */
  readonly root: string
  /** Version 1 only. */
  readonly controllers: ReadonlyArray<string>
}

const unescape = (text: string) =>
  text.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

const parseLine = (line: string): ReadonlyArray<CgroupMount> => {
  const [mount = "", fileSystem = ""] = line.split(" - ")
  const [, , , root = "", directory = ""] = mount.split(" ")
  const [type, , options = ""] = fileSystem.split(" ")
  if (type !== "cgroup" && type !== "cgroup2") return []
  return [
    {
      version: type === "cgroup" ? 1 : 2,
      directory: unescape(directory),
      root: unescape(root),
      controllers: type === "cgroup" ? options.split(",") : []
    }
  ]
}

/** The cgroup hierarchies in the text of a mountinfo. */
export const parse = (mounts: string): ReadonlyArray<CgroupMount> => mounts.split("\n").flatMap(parseLine)

/** The numbers in a file of `name number` lines. */
export const numbersIn = (text: string): Readonly<Record<string, number>> =>
  Object.fromEntries(
    text.split("\n").map((line) => {
      const [name = "", value] = line.split(" ")
      return [name, Number(value ?? 0)]
    })
  )
