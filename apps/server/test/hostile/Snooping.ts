import { assert } from "@effect/vitest"
import * as ServerProcess from "../ServerProcess.js"
import type { HostileProgram } from "./HostileProgram.js"

/** Given to the server, and never to be seen in a sandbox. */
export const secrets = {
  E2B_API_KEY: "e2b_a-key-that-nobody-may-see",
  HOST_SECRET: "a-secret-of-the-host"
}

const words = [
  ServerProcess.adminToken,
  ...Object.values(secrets),
  ...Object.keys(secrets),
  "ADMIN_API_TOKEN"
]

/** Not even in memory that it may read may there be a word of the host's. */
const betraysNothing: HostileProgram["also"] = ({ stderr, stdout }) => {
  for (const word of words) assert.notInclude(`${stdout}${stderr}`, word)
  assert.notMatch(stdout, /BULKHEAD_NONCE=|BULKHEAD_LIMITS=/)
}

export const snooping: ReadonlyArray<HostileProgram> = [
  {
    name: "every environment and command line there is",
    language: "python",
    code: `
import glob
for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/task/*/environ") + glob.glob("/proc/*/task/*/cmdline"):
    try: print(path, open(path, "rb").read().replace(b"\\0", b"\\n").decode("latin1")[:2000])
    except OSError as error: print(path, error)`,
    verdict: "Completed",
    also: betraysNothing
  },
  {
    name: "every file of the system that may name the host",
    language: "bash",
    code: `
cat /proc/mounts /proc/self/mountinfo /proc/cmdline /proc/keys /proc/net/* /proc/self/cgroup /etc/hosts /etc/passwd /etc/shadow /etc/hostname /etc/resolv.conf /etc/machine-id /proc/sys/kernel/hostname 2>/dev/null
id; hostname; ls -la / /root /home /run /tmp /work /mnt /opt /srv /var 2>/dev/null; env`,
    verdict: ["Completed", "NonZeroExit"],
    also: (result) => {
      betraysNothing(result)
      assert.notMatch(result.stdout, /\/work\/|root:[$*!]/)
      assert.include(result.stdout, "uid=1000(user)")
    }
  },
  {
    name: "the processes of the host",
    language: "python",
    code: `
import os
names = [name for name in os.listdir("/proc") if name.isdigit()]
print(len(names) < 10, [open(f"/proc/{name}/comm").read().strip() for name in names])`,
    verdict: "Completed",
    stdout: /^True /,
    also: ({ stdout }) => assert.notInclude(stdout, "node")
  },
  {
    name: "the network",
    language: "python",
    code: `
import os, socket
interfaces = [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]]
reached = []
for family, address in ((socket.AF_INET, ("127.0.0.1", int(os.environ["SERVER_PORT"]))), (socket.AF_INET, ("169.254.169.254", 80)), (socket.AF_INET, ("1.1.1.1", 53)), (socket.AF_INET6, ("::1", int(os.environ["SERVER_PORT"])))):
    try:
        with socket.socket(family) as probe:
            probe.settimeout(1)
            probe.connect(address)
            reached.append(address)
    except OSError: pass
for kind in (socket.SOCK_RAW,):
    try: socket.socket(socket.AF_INET, kind, 1); reached.append("raw")
    except OSError: pass
for family in (16, 17, 40):
    try: socket.socket(family, socket.SOCK_RAW, 0); reached.append(family) if family != 16 else None
    except OSError: pass
print(interfaces, reached)`,
    verdict: "Completed",
    stdout: /^\[('lo')?\] \[\]\n$/
  },
  {
    name: "abstract sockets and shared memory of the host",
    language: "python",
    code: `
import ctypes, os
print([line for line in open("/proc/net/unix").readlines()[1:]])
print(open("/proc/sysvipc/shm").readlines()[1:], os.listdir("/dev/shm"))`,
    verdict: "Completed",
    also: ({ stdout }) => assert.match(stdout, /^\[.*\]\n\[\] \[\]\n$/)
  }
]
