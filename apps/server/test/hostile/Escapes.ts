import type { HostileProgram } from "./HostileProgram.js"

/** By name: the number on x86_64, the number on arm64, the arguments. */
const refusedCalls = `{
    "mount": (165, 40, b"none", b"/tmp", b"tmpfs", 0, 0),
    "umount2": (166, 39, b"/tmp", 2),
    "pivot_root": (155, 41, b".", b"."),
    "chroot": (161, 51, b"/tmp"),
    "open_tree": (428, 428, -100, b"/", 1),
    "fsopen": (430, 430, b"tmpfs", 0),
    "move_mount": (429, 429, -1, b"", -1, b"", 0),
    "mount_setattr": (442, 442, -100, b"/", 0, 0, 0),
    "unshare a user namespace": (272, 97, 0x10000000),
    "unshare mounts": (272, 97, 0x20000),
    "unshare the network": (272, 97, 0x40000000),
    "clone a user namespace": (56, 220, 0x10000011, 0, 0, 0, 0),
    "clone a pid namespace": (56, 220, 0x20000011, 0, 0, 0, 0),
    "setns": (308, 268, 0, 0),
    "bpf": (321, 280, 0, b"\\0" * 64, 64),
    "add_key": (248, 217, b"user", b"a", b"b", 1, -3),
    "request_key": (249, 218, b"user", b"a", 0, -3),
    "keyctl": (250, 219, 0, -3, 0),
    "perf_event_open": (298, 241, b"\\0" * 128, 0, -1, -1, 0),
    "userfaultfd": (323, 282, 0),
    "kexec_load": (246, 104, 0, 0, 0, 0),
    "kexec_file_load": (320, 294, -1, -1, 0, 0, 0),
    "init_module": (175, 105, b"a", 1, b""),
    "finit_module": (313, 273, -1, b"", 0),
    "delete_module": (176, 106, b"a", 0),
    "io_uring_setup": (425, 425, 1, b"\\0" * 120),
    "open_by_handle_at": (304, 265, -100, b"\\0" * 64, 0),
    "swapon": (167, 224, b"/tmp/x", 0),
    "reboot": (169, 142, 0xfee1dead, 672274793, 0x1234567, 0),
    "sethostname": (170, 161, b"x", 1),
    "setdomainname": (171, 162, b"x", 1),
    "acct": (163, 89, 0),
    "quotactl": (179, 60, 0, 0, 0, 0),
    "syslog": (103, 116, 3, b"\\0" * 64, 64),
    "vhangup": (153, 58),
    "fanotify_init": (300, 262, 0, 0),
    "mbind": (237, 235, 0, 0, 0, 0, 0, 0),
    "process_madvise": (440, 440, -1, 0, 0, 0, 0),
    "setuid": (105, 146, 0),
    "setresuid": (117, 147, 0, 0, 0),
    "setgid": (106, 144, 0),
    "setgroups": (116, 159, 1, b"\\0" * 4),
    "iopl": (172, -1, 3),
    "ioperm": (173, -1, 0, 1, 1),
    "mknod a disk": (133, -1, b"/tmp/disk", 0o60666, 0x800),
    "personality": (135, 92, 0x0040000),
}`

export const escapes: ReadonlyArray<HostileProgram> = [
  {
    name: "system calls that no program needs",
    language: "python",
    code: `
import ctypes, os, platform, signal
libc = ctypes.CDLL(None, use_errno=True)
column = 0 if platform.machine() == "x86_64" else 1
for name, call in ${refusedCalls}.items():
    number, arguments = call[column], call[2:]
    if number < 0: continue
    pid = os.fork()
    if pid == 0:
        result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in arguments])
        os._exit(0 if result == -1 else 1)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1: print("allowed", name)
print("done")`,
    verdict: "Completed",
    stdout: /^done\n$/,
    within: 8
  },
  {
    name: "system calls by other doors: x32 and 32 bits",
    language: "python",
    code: `
import ctypes, mmap, os, platform
libc = ctypes.CDLL(None, use_errno=True)
if platform.machine() == "x86_64":
    for number in (39, 165, 272):
        if os.fork() == 0: os._exit(0 if libc.syscall(ctypes.c_long(0x40000000 | number), 0x10000000, 0, 0, 0, 0) == -1 else 1)
        if os.wait()[1] == 256: print("allowed by x32", number)
    for number in (20, 21, 310):
        if os.fork() == 0:
            page = mmap.mmap(-1, 4096, prot=7)
            page.write(b"\\xb8" + number.to_bytes(4, "little") + b"\\x53\\xbb\\x00\\x00\\x00\\x10\\xcd\\x80\\x5b\\xc3")
            call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
            os._exit(0 if call() < 0 else 1)
        if os.wait()[1] == 256: print("allowed by int 0x80", number)
print("done")`,
    verdict: "Completed",
    stdout: /^done\n$/
  },
  {
    name: "programs that the host runs as root",
    language: "bash",
    code: `
for tool in su sudo mount umount passwd newgrp pkexec chsh chfn gpasswd fusermount3 fusermount bwrap; do
  found=$(command -v $tool) || continue
  case $tool in
    su) out=$(timeout 1 su -c id 2>&1 </dev/null) ;;
    mount) out=$(mount -t tmpfs none /tmp 2>&1) ;;
    bwrap) out=$(bwrap --bind / / id 2>&1) ;;
    *) out=$(timeout 1 $tool id 2>&1 </dev/null) ;;
  esac && case $out in *uid=0*) echo "root by $tool" ;; esac
done
bwrap --unshare-user --uid 0 --bind / / id > /dev/null 2>&1 && echo "nested"
unshare -Ur id > /dev/null 2>&1 && echo "unshared"
grep -E '^(NoNewPrivs|CapEff|CapBnd|Seccomp):' /proc/self/status | tr -s '\\t\\n' ' '`,
    verdict: "Completed",
    stdout: /^CapEff: 0+ CapBnd: [0-9a-f]+ NoNewPrivs: 1 Seccomp: 2 $/,
    within: 8
  },
  {
    name: "writing where only the system may",
    language: "python",
    code: `
import os
places = ["/x", "/usr/x", "/usr/bin/x", "/bin/x", "/lib/x", "/etc/x", "/etc/passwd", "/etc/ld.so.cache", "/root/x", "/run/x", "/var/x", "/home/x", "/dev/x", "/proc/x",
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches", "/proc/sys/vm/overcommit_memory", "/proc/sysrq-trigger", "/proc/self/uid_map", "/proc/self/gid_map", "/proc/sys/fs/file-max", "/proc/acpi", "/proc/scsi/scsi", "/proc/irq/default_smp_affinity"]
for place in places:
    try:
        os.write(os.open(place, os.O_WRONLY | os.O_CREAT), b"1")
        print("wrote", place)
    except OSError: pass
print("done")`,
    verdict: "Completed",
    stdout: /^done\n$/
  },
  {
    name: "devices of the host",
    language: "python",
    code: `
import os, stat
for name in sorted(os.listdir("/dev")):
    if name not in ("null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts", "shm", "fd", "stdin", "stdout", "stderr", "core", "mqueue"): print("there is", name)
for name in ("mem", "kmem", "port", "kmsg", "sda", "vda", "nvme0n1", "fuse", "kvm", "vsock", "loop0", "net/tun", "tty1"):
    if os.path.exists("/dev/" + name): print("there is", name)
for kind in (stat.S_IFCHR, stat.S_IFBLK):
    try: os.mknod("/tmp/device", kind | 0o666, os.makedev(1, 1)); print("made", kind)
    except OSError: pass
try: os.open("/dev/tty", os.O_RDWR); print("a terminal")
except OSError: pass
print("done")`,
    verdict: "Completed",
    stdout: /^done\n$/
  },
  {
    name: "the way out through /proc",
    language: "python",
    code: `
import os
for path in ("/proc/1/root", "/proc/1/cwd", "/proc/1/fd", "/proc/self/root/../../work", "/proc/self/cwd/../../../work", "/proc/kcore", "/proc/kallsyms", "/proc/kmsg", "/proc/timer_list", "/proc/sched_debug", "/sys/kernel/debug", "/sys/firmware", "/sys/class"):
    try:
        seen = os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(64)
        if path == "/proc/kallsyms" and seen.startswith(b"0000000000000000"): continue
        if seen: print("saw", path, seen)
    except OSError: pass
print("done")`,
    verdict: "Completed",
    stdout: /^done\n$/
  },
  {
    name: "a core dump",
    language: "bash",
    code: "ulimit -c unlimited; cd /tmp; python3 -c 'import os; os.abort()'; ls -A /tmp $HOME; exit 0",
    verdict: "Completed",
    stdout: /^\/home\/user:\nmain\.sh\noutput\n\n\/tmp:\n$/
  },
  {
    // Of a core of less than a byte the kernel would tell the machine's own program for cores, which runs as root.
    name: "a core dump's helper",
    language: "python",
    code: `
import ctypes, os, resource
core, libc = resource.RLIMIT_CORE, ctypes.CDLL(None)
resource.setrlimit(core, (0, 0))
resource.prlimit(0, core, (0, 0))
if os.uname().machine == "x86_64": libc.syscall(160, core, ctypes.byref((ctypes.c_ulong * 2)(0, 0)))
print(resource.getrlimit(core))`,
    verdict: "Completed",
    stdout: /^\(1, 1\)\n$/
  },
  {
    name: "a message typed into the host's terminal",
    language: "python",
    code: `
import fcntl
for number in range(0, 3):
    for request in (0x5412, 0x541c, 0x540e):
        try: fcntl.ioctl(number, request, b"x"); print("typed", number)
        except OSError: pass
print("done")`,
    verdict: "Completed",
    stdout: /^done\n$/
  }
]
