import { FileSystem } from "@effect/platform"
import { Effect } from "effect"
import { IsolationUnavailable } from "../HostErrors.js"

/** What root needs of its rights to make sandboxes, by the kernel's numbers, and what for. */
const needed = [
  { name: "CHOWN", bit: 0n, use: "to give sandboxes their own files" },
  { name: "DAC_OVERRIDE", bit: 1n, use: "to write into files of sandboxes" },
  { name: "KILL", bit: 5n, use: "to end sandboxes" },
  { name: "SETGID", bit: 6n, use: "to run programs as a group that is nobody's" },
  { name: "SETUID", bit: 7n, use: "to run programs as a user who is nobody" },
  { name: "NET_ADMIN", bit: 12n, use: "to give sandboxes a loopback device" },
  { name: "SYS_PTRACE", bit: 19n, use: "to enter the user namespace of a sandbox" },
  { name: "SYS_ADMIN", bit: 21n, use: "to make namespaces and mounts" }
] as const

/** What sandboxes with a network need beside them. */
const neededForNetwork = [
  { name: "SYS_CHROOT", bit: 18n, use: "to show no files of the machine to what carries a sandbox's network" }
] as const

/** Those of a hexadecimal mask of the kernel's that are missing. */
const missingOf = (mask: string, hasNetwork: boolean) => {
  const held = BigInt(`0x${mask}`)
  return [...needed, ...(hasNetwork ? neededForNetwork : [])].filter(({ bit }) => ((held >> bit) & 1n) === 0n)
}

/** Every capability that this process lacks, and how each way to run it grants them. */
export const check = Effect.fn("Capabilities.check")(function* (hasNetwork: boolean) {
  const fs = yield* FileSystem.FileSystem
  const [, mask] = /^CapEff:\s*([0-9a-f]+)$/m.exec(yield* fs.readFileString("/proc/self/status")) ?? []
  const missing = mask === undefined ? [] : missingOf(mask, hasNetwork)
  if (missing.length === 0) return
  const names = missing.map(({ name }) => `CAP_${name}`)
  return yield* new IsolationUnavailable({
    reason: `this process lacks ${missing.map(({ name, use }) => `CAP_${name} (${use})`).join(", ")}`,
    remedy: [
      `docker run ${missing.map(({ name }) => `--cap-add ${name}`).join(" ")}`,
      `in Compose cap_add: [${missing.map(({ name }) => name).join(", ")}]`,
      "in Kubernetes securityContext.capabilities.add",
      `in systemd CapabilityBoundingSet=${names.join(" ")}`
    ].join("; ")
  })
})
