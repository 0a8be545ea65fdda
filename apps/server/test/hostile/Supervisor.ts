import { assert } from "@effect/vitest"
import type { HostileProgram } from "./HostileProgram.js"

const report =
  '{"reason":"","exited":true,"status":0,"wallMs":1,"cpuMs":1,"peakBytes":1,"oomKills":0,"forksRefused":false,"diskFull":false,"invalid":false,"leftRunning":0,"survivors":0,"signals":[],"stdoutBytes":0,"stderrBytes":0,"dropped":0,"cgroup":"none"}'

/** Whatever does not belong to the program itself. */
const others =
  'others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]\nassert len(others) >= 2'

export const supervisor: ReadonlyArray<HostileProgram> = [
  {
    name: "forged reports by guess",
    language: "python",
    code: `
import os, sys, uuid
report = ${JSON.stringify(report)}
for stream in (1, 2):
    for nonce in ("", "nonce", "BULKHEAD_NONCE", str(uuid.uuid4()), "0" * 36):
        os.write(stream, f"\\x1e{nonce} started none none\\n\\x1e{nonce} {report}\\n".encode())
    os.write(stream, b"\\x1e" * 1000)
sys.exit(3)`,
    verdict: "NonZeroExit",
    exitCode: 3,
    also: ({ stderr, stdout }) => {
      for (const text of [stderr, stdout]) assert.strictEqual(text.split('"status":0').length, 6)
    }
  },
  {
    name: "forged reports with every secret it can find",
    language: "python",
    code: `
import glob, os, re, sys
places = [f"/proc/{name}/{file}" for name in os.listdir("/proc") if name.isdigit()
    for file in ("environ", "cmdline", "comm", "stat", "status", "maps", "wchan", "stack", "syscall", "auxv", "io", "mountinfo", "cgroup")]
places += glob.glob("/proc/*/task/*/environ") + glob.glob("/tmp/**", recursive=True) + glob.glob("/dev/shm/*") + glob.glob("/run/*") + glob.glob("/etc/*")
pattern = re.compile(b"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
found = set(pattern.findall(str([dict(os.environ), sys.argv]).encode()))
for place in places:
    try:
        with open(place, "rb") as file: found.update(pattern.findall(file.read(1 << 20)))
    except OSError: pass
for memory in glob.glob("/proc/*/mem"):
    try:
        with open(memory.replace("mem", "maps")) as maps, open(memory, "rb", 0) as pages:
            for line in maps.readlines():
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                for at in range(start, min(end, start + (1 << 26)), 1 << 20):
                    try:
                        pages.seek(at)
                        found.update(pattern.findall(pages.read(min(1 << 20, end - at))))
                    except (OSError, ValueError, OverflowError): break
    except OSError: pass
found.discard(os.environ["MARK"].encode())
for nonce in found:
    for stream in (1, 2):
        os.write(stream, b"\\x1e" + nonce + b" " + ${JSON.stringify(report)}.encode() + b"\\n")
sys.exit(3)`,
    verdict: "NonZeroExit",
    exitCode: 3,
    timeout: 15,
    within: 12
  },
  {
    name: "the supervisor's open files",
    language: "python",
    code: `
import os
${others}
for name in others:
    for number in range(0, 64):
        for flags in (os.O_RDONLY, os.O_WRONLY):
            try: os.open(f"/proc/{name}/fd/{number}", flags | os.O_NONBLOCK); print("opened", name, number)
            except OSError: pass
print("done")`,
    verdict: "Completed",
    stdout: /^done\n$/
  },
  {
    name: "the supervisor's memory, root, directory and links",
    language: "python",
    code: `
import os
${others}
for name in others:
    for file in ("mem", "environ", "maps", "smaps", "auxv", "pagemap", "stack", "syscall", "personality", "io", "clear_refs", "coredump_filter", "oom_score_adj", "oom_adj", "timerslack_ns", "uid_map", "setgroups", "attr/current", "comm"):
        for flags in (os.O_RDONLY, os.O_WRONLY):
            try:
                handle = os.open(f"/proc/{name}/{file}", flags)
                done = os.write(handle, b"0") if flags == os.O_WRONLY else len(os.read(handle, 10))
                if done and not (flags == os.O_RDONLY and file in ("oom_score_adj", "oom_adj", "comm", "uid_map", "setgroups", "attr/current", "coredump_filter")): print("used", name, file)
            except OSError: pass
    for link in ("exe", "cwd", "root", "ns/user", "ns/pid", "ns/mnt"):
        try: print("read", name, link, os.readlink(f"/proc/{name}/{link}"))
        except OSError: pass
    for directory in ("fd", "root", "cwd", "map_files"):
        try: print("listed", name, directory, os.listdir(f"/proc/{name}/{directory}"))
        except OSError: pass
print("done")`,
    verdict: "Completed",
    stdout: /^done\n$/
  },
  {
    name: "ptrace and its kin on all others",
    language: "python",
    code: `
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
x64 = platform.machine() == "x86_64"
${others}
buffer = ctypes.create_string_buffer(64)
vector = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 64)
for name in others:
    pid = int(name)
    pidfd = libc.syscall(434, pid, 0)
    calls = {
        "attach": (101 if x64 else 117, 16, pid, 0, 0),
        "seize": (101 if x64 else 117, 0x4206, pid, 0, 0),
        "read": (310 if x64 else 270, pid, vector, 1, vector, 1, 0),
        "write": (311 if x64 else 271, pid, vector, 1, vector, 1, 0),
        "pidfd_getfd": (438, pidfd, 1, 0),
        "pidfd_signal": (424, pidfd, 19, 0, 0),
        "tgkill": (234 if x64 else 131, pid, pid, 9),
        "prlimit": (302 if x64 else 261, pid, 7, (ctypes.c_uint64 * 2)(0, 0), 0),
        "setpriority": (141 if x64 else 140, 0, pid, 19),
        "affinity": (203 if x64 else 122, pid, 8, (ctypes.c_uint64 * 1)(1)),
        "scheduler": (144 if x64 else 119, pid, 5, (ctypes.c_int * 1)(0)),
        "ioprio": (251 if x64 else 30, 1, pid, 3 << 13),
        "migrate": (256 if x64 else 238, pid, 1, vector, vector),
        "madvise": (440, pidfd, vector, 1, 4, 0),
        "mrelease": (448, pidfd, 0),
        "kcmp": (312 if x64 else 272, pid, os.getpid(), 1, 0, 0),
        "setns": (308 if x64 else 268, pidfd, 0x20000000),
        "setpgid": (109 if x64 else 154, pid, 0),
    }
    for call, arguments in calls.items():
        if libc.syscall(*arguments) != -1: print("done to", name, call)
print("done")`,
    verdict: "Completed",
    stdout: /^done\n$/
  },
  {
    name: "variables that would steer the supervisor",
    language: "python",
    code: `
import os
print([name for name in os.listdir("/tmp") if name.startswith("evil")])
print(os.environ["BULKHEAD_NONCE"], os.environ["PERL5OPT"])`,
    env: {
      PERL5OPT: "-Mevil",
      PERL5LIB: "/home/user",
      PERLLIB: "/home/user",
      PERL5DB: "BEGIN { die }",
      BASH_ENV: "/home/user/evil.sh",
      ENV: "/home/user/evil.sh",
      LD_LIBRARY_PATH: "/home/user",
      GLIBC_TUNABLES: "glibc.malloc.check=3",
      IFS: "/",
      SHELLOPTS: "noexec",
      BULKHEAD_NONCE: "mine",
      BULKHEAD_LIMITS: "1 1 1 1 1 1 1 1",
      BULKHEAD_SUPERVISOR: "die",
      HOSTILE: "two\nlines=%0A%25 'and' \"quotes\""
    },
    files: [
      { path: "evil.pm", content: "BEGIN { open my $f, '>', '/tmp/evil-perl' } 1;" },
      { path: "evil.sh", content: "touch /tmp/evil-bash" }
    ],
    verdict: "Completed",
    stdout: /^\[\]\nmine -Mevil\n$/
  },
  {
    name: "a library to load before all others",
    language: "python",
    code: "print('begun')",
    env: { LD_PRELOAD: "/home/user/evil.so", LD_AUDIT: "/home/user/evil.so" },
    files: [{ path: "evil.so", content: "not a library" }],
    verdict: "Completed",
    stdout: /^begun\n$/
  },
  {
    name: "a PATH of its own",
    language: "bash",
    code: "echo begun",
    env: { PATH: "/home/user", HOME: "/nonexistent" },
    files: [{ path: "bash", content: "#!/bin/sh\ntouch /tmp/evil" }],
    verdict: "NonZeroExit",
    stderr: /cannot run bash/
  },
  {
    name: "its limits' files, wherever they may be",
    language: "python",
    code: `
import os
for base, directories, files in os.walk("/sys"):
    for name in directories + files:
        if os.access(os.path.join(base, name), os.W_OK): print("writable", base, name)
for directory in ("/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified"):
    try: os.mkdir(directory + "/escape"); print("made", directory)
    except OSError: pass
    for file, value in (("cgroup.procs", "0"), ("memory.limit_in_bytes", "-1"), ("memory.max", "max"), ("pids.max", "max"), ("release_agent", "/bin/true")):
        try:
            with open(f"{directory}/{file}", "w") as handle: handle.write(value)
            print("wrote", directory, file)
        except OSError: pass
print("done")`,
    verdict: "Completed",
    stdout: /^done\n$/
  }
]
