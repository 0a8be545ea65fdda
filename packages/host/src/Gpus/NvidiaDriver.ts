import { Command, FileSystem } from "@effect/platform"
import { Effect, Option, Order, Array as Sorted } from "effect"

/** A device of this machine, and where sandboxes see it. */
export interface Device {
  readonly source: string
  readonly place: string
  readonly major: number
  readonly minor: number
}

/** One GPU. */
export interface Gpu {
  /** The name that the driver gives to its kind, like `NVIDIA L4`. */
  readonly kind: string
  readonly device: Device
}

/** What NVIDIA's driver has put on this machine. */
export interface NvidiaDriver {
  readonly gpus: ReadonlyArray<Gpu>
  /** What computing takes beside the GPU itself. Neither mode setting nor the capabilities of MIG. */
  readonly shared: ReadonlyArray<Device>
  /** Libraries of the driver's, which must be of the version that the kernel runs. */
  readonly libraries: ReadonlyArray<string>
  readonly programs: ReadonlyArray<string>
}

export const none: NvidiaDriver = { gpus: [], shared: [], libraries: [], programs: [] }

const sharedDevices = ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"]

/** As the kernel puts both numbers of a device into one. */
const numbersOf = (rdev: number) => ({
  major: Math.floor(rdev / 256) % 4096,
  minor: (rdev % 256) + (Math.floor(rdev / 2 ** 20) % 4096) * 256
})

const deviceOf = Effect.fnUntraced(function* (root: string, name: string) {
  const fs = yield* FileSystem.FileSystem
  const source = `${root}/dev/${name}`
  const found = yield* Effect.option(fs.stat(source))
  return Option.filterMap(found, ({ rdev, type }) =>
    type === "CharacterDevice"
      ? Option.map(rdev, (numbers): Device => ({ source, place: `/dev/${name}`, ...numbersOf(numbers) }))
      : Option.none()
  )
})

const fieldOf = (text: string, name: string) =>
  new RegExp(`^${name}:[ \\t]*(.+?)[ \\t]*$`, "m").exec(text)?.[1]

const gpuOf = Effect.fnUntraced(function* (root: string, address: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(`${root}/proc/driver/nvidia/gpus/${address}/information`)
  const kind = fieldOf(text, "Model")
  const minor = fieldOf(text, "Device Minor")
  if (kind === undefined || minor === undefined) return Option.none()
  return Option.map(yield* deviceOf(root, `nvidia${minor}`), (device): Gpu => ({ kind, device }))
})

const findGpus = Effect.fnUntraced(function* (root: string) {
  const fs = yield* FileSystem.FileSystem
  const addresses = yield* Effect.orElseSucceed(fs.readDirectory(`${root}/proc/driver/nvidia/gpus`), () => [])
  const found = yield* Effect.forEach(addresses, (address) =>
    Effect.orElseSucceed(gpuOf(root, address), () => Option.none())
  )
  return Sorted.sortBy(Order.mapInput(Order.number, ({ device }: Gpu) => device.minor))(
    Sorted.getSomes(found)
  )
})

/** One line of `ldconfig -p`: `libcuda.so.1 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libcuda.so.1`. */
const libraryLine =
  /^\s*(lib(?:cuda|cudadebugger|nvcuvid|nvoptix|nvidia-[\w-]+)\.so[\w.]*) \(libc6,.*\) => (\/.+)$/

/** The driver's libraries by the loader's cache, each name once: the first is the one that the loader would take. */
const findLibraries = Effect.fnUntraced(function* (root: string) {
  const lines = yield* Command.make("/sbin/ldconfig", ...(root === "" ? [] : ["-r", root]), "-p").pipe(
    Command.lines,
    Effect.orElseSucceed(() => [])
  )
  const byName = new Map<string, string>()
  for (const line of lines) {
    const [, name, place] = libraryLine.exec(line) ?? []
    if (name !== undefined && place !== undefined && !byName.has(name)) byName.set(name, `${root}${place}`)
  }
  return [...byName.values()]
})

/**
 * Looks for NVIDIA's driver and its GPUs below a root: the empty path is this machine's own, another one is for drivers
 * that are installed elsewhere, as in a container of theirs.
 */
export const find = Effect.fn("NvidiaDriver.find")(function* (root: string) {
  const fs = yield* FileSystem.FileSystem
  const gpus = yield* findGpus(root)
  if (gpus.length === 0) return none
  return {
    gpus,
    shared: Sorted.getSomes(yield* Effect.forEach(sharedDevices, (name) => deviceOf(root, name))),
    libraries: yield* findLibraries(root),
    programs: yield* Effect.filter([`${root}/usr/bin/nvidia-smi`], (program) =>
      Effect.orElseSucceed(fs.exists(program), () => false)
    )
  } satisfies NvidiaDriver
})
