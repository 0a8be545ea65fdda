import { assert } from "@effect/vitest"
import type { HostileProgram } from "./HostileProgram.js"

const full = { verdict: "DiskLimitExceeded", timeout: 10, within: 8 } as const

export const disk: ReadonlyArray<HostileProgram> = [
  { name: "a full home", language: "bash", code: "cat /dev/zero > big", ...full },
  { name: "a full /tmp", language: "bash", code: "cat /dev/zero > /tmp/big", ...full },
  {
    name: "a full /dev/shm",
    language: "python",
    code: "with open('/dev/shm/big', 'wb') as file:\n    while True: file.write(bytes(1 << 20))",
    ...full
  },
  {
    name: "a full home of many files",
    language: "python",
    code: `
for number in range(1000):
    with open(f"{number}", "wb") as file: file.write(bytes(1 << 20))`,
    ...full
  },
  {
    name: "more files than there is room for",
    language: "python",
    code: `
import os
for number in range(10_000_000):
    os.close(os.open(f"f{number}", os.O_CREAT))`,
    verdict: ["DiskLimitExceeded", "MemoryLimitExceeded"],
    timeout: 20,
    within: 20
  },
  {
    name: "a sparse file of a terabyte",
    language: "bash",
    code: "truncate -s 1T big; stat -c %s big 2>/dev/null; truncate -s 1M small && stat -c %s small",
    verdict: "Completed",
    stdout: /1048576\n$/,
    also: ({ stdout }) => assert.notInclude(stdout, "1099511627776")
  },
  {
    name: "ten thousand directories, each within the other",
    language: "python",
    code: `
import os
for _ in range(10_000):
    os.mkdir("d")
    os.chdir("d")
print("done")`,
    verdict: "Completed",
    stdout: /^done\n$/
  },
  {
    name: "traps for whoever reads its files: links, pipes, loops, sockets",
    language: "python",
    code: `
import os, socket
os.symlink("/etc/shadow", "shadow")
os.symlink("loop", "loop")
os.symlink("/proc/1/root", "root")
os.symlink("/proc/self/fd/0", "input")
os.mkfifo("pipe")
os.symlink("pipe", "result.json")
socket.socket(socket.AF_UNIX).bind("socket")
os.rename("main.py", "gone.py")
os.symlink("/dev/zero", "main.py")
for name in (b"\\xff\\xfe", b"new\\nline", b"-rf", b"\\x1b[2J", b"a" * 255): os.close(os.open(name, os.O_CREAT))
print("done")`,
    verdict: "Completed",
    stdout: /^done\n$/
  },
  {
    name: "a pipe in place of its code, in a home that takes no files, and failure",
    language: "python",
    code: "import os\nos.unlink('main.py')\nos.mkfifo('main.py')\nos.chmod('.', 0o555)\nexit(1)",
    verdict: "NonZeroExit",
    error: "RUNTIME_ERROR",
    exitCode: 1
  },
  {
    name: "a directory in place of its code, and failure",
    language: "bash",
    code: "rm main.sh; mkdir -p main.sh/main.sh; exit 1",
    verdict: "NonZeroExit",
    error: "RUNTIME_ERROR",
    exitCode: 1
  },
  {
    name: "an endless device in place of its code, and failure",
    language: "javascript",
    code: "const fs = require('node:fs')\nfs.unlinkSync('main.js')\nfs.symlinkSync('/dev/zero', 'main.js')\nfs.chmodSync('.', 0o555)\nprocess.exit(1)",
    verdict: "NonZeroExit",
    error: "RUNTIME_ERROR",
    exitCode: 1
  },
  {
    name: "nonsense in place of its code, and failure",
    language: "python",
    code: "open('main.py', 'w').write('(((')\nexit(1)",
    verdict: "NonZeroExit",
    error: "RUNTIME_ERROR",
    exitCode: 1
  },
  {
    name: "traps for the language's own parser",
    language: "python",
    code: `
import os, site, signal
trap = "import os, signal, time\\nos.kill(os.getppid(), signal.SIGSTOP)\\ntime.sleep(600)\\n"
os.makedirs(site.getusersitepackages())
for path in (site.getusersitepackages() + "/usercustomize.py", "sitecustomize.py", "encodings.py", "codecs.py"):
    with open(path, "w") as file: file.write(trap)
exit(1)`,
    verdict: "NonZeroExit",
    error: "RUNTIME_ERROR",
    exitCode: 1
  },
  {
    name: "a home that is gone",
    language: "bash",
    code: 'rm -rf "$HOME"/* "$HOME"/.[!.]*; chmod 000 "$HOME"; exit 1',
    verdict: "NonZeroExit",
    error: "RUNTIME_ERROR",
    exitCode: 1
  },
  {
    name: "a file larger than any may be",
    language: "bash",
    code: "exec dd if=/dev/zero of=/tmp/big bs=1M count=2000 status=none",
    ...full
  }
]
