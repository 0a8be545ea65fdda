import { Effect } from "effect"
import * as HttpRow from "./HttpRow.js"
import * as SdkRow from "./SdkRow.js"
import type { ServerUnderTest } from "./ServerUnderTest.js"
import * as SpawnedRow from "./SpawnedRow.js"

/** The row that the others are compared with. */
export const bare = "bare process"

const program = ["/usr/bin/python3", "-c", "print(1)"]

const bubblewrap = [
  ...["/usr/bin/bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr"],
  ...["--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"],
  ...["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--"]
]

/** Every row, from the least isolation to the whole service. */
export const make = (server: ServerUnderTest) =>
  Effect.all([
    SpawnedRow.make(bare, program),
    SpawnedRow.make("plain bubblewrap", [...bubblewrap, ...program]),
    SdkRow.make,
    HttpRow.make(server)
  ])
