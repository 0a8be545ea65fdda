import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Effect } from "effect"

/** Kinds of GPUs that stand-ins say to be, by their minor numbers. */
export const kinds = ["NVIDIA L4", "NVIDIA L4", "NVIDIA L4", "NVIDIA H100 80GB HBM3"]

/** What each device really is, by which it is known in a sandbox: harmless ones that every machine has. */
const devices: Readonly<Record<string, number>> = {
  nvidia0: 3,
  nvidia1: 5,
  nvidia2: 7,
  nvidia3: 8,
  nvidiactl: 9,
  "nvidia-uvm": 9,
  "nvidia-modeset": 9
}

/** The name by which an equally long one of the C library is known there. */
const library = "libcuda.so.1"
const donor = "libutil.so.1"

const information = (kind: string, minor: number) =>
  `Model: \t\t ${kind}\nIRQ:   \t\t 40\nGPU UUID: \t GPU-0000000${minor}\nDevice Minor: \t ${minor}\nGPU Excluded:\t No\n`

const write = (place: string, bytes: string | Buffer, mode = 0o644) => {
  mkdirSync(dirname(place), { recursive: true })
  writeFileSync(place, bytes)
  chmodSync(place, mode)
}

const donated = () => {
  const said = execFileSync("/sbin/ldconfig", ["-p"], { encoding: "utf8" })
  const file =
    said
      .split("\n")
      .find((line) => line.includes(`${donor} `))
      ?.split(" => ")[1] ?? ""
  return Buffer.from(readFileSync(file, "latin1").replaceAll(donor, library), "latin1")
}

const make = (root: string) => {
  chmodSync(root, 0o755)
  kinds.forEach((kind, minor) => {
    write(join(root, `proc/driver/nvidia/gpus/0000:0${minor}:00.0/information`), information(kind, minor))
  })
  mkdirSync(join(root, "dev"))
  for (const [name, minor] of Object.entries(devices))
    execFileSync("mknod", ["-m", "666", join(root, "dev", name), "c", "1", String(minor)])
  write(join(root, "usr/lib/libcuda.so.1"), donated())
  write(join(root, "usr/bin/nvidia-smi"), "#!/bin/sh\nls -d /dev/nvidia[0-9]*\n", 0o755)
  write(join(root, "etc/ld.so.conf"), "/usr/lib\n")
  execFileSync("/sbin/ldconfig", ["-r", root])
  return root
}

/** A root with a driver and devices that stand in for GPUs, which only root can make; it goes with the scope. */
export const standIns = Effect.acquireRelease(
  Effect.sync(() => make(mkdtempSync(join(tmpdir(), "gpus-")))),
  (root) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
)
