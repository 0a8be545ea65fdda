import type { Rule } from "../Rule.js"
import { writes } from "./Names.js"

const kind = "container-escape"
type Names = [string, ...Array<string>]

const everywhere = ["python", "javascript", "bash"] as const

const kernelFiles =
  "release_agent$|^/proc/sys/kernel/core_pattern$|^/proc/sysrq-trigger$|^/proc/1/root(?:/|$)|^/proc/\\d+/mem$|^/sys/kernel/uevent_helper$|^/proc/sys/kernel/modprobe$|^/proc/sys/fs/binfmt_misc/register$|^/dev/(?:mem|kmem)$"

export const escapes: ReadonlyArray<Rule> = [
  ...everywhere.map((language) => ({
    id: `${language}-kernel-file`,
    kind,
    languages: [language] as [typeof language],
    message: "writes or opens a file by which the kernel runs programs outside the sandbox",
    all: [
      {
        calls: [
          ...writes[language],
          "ls",
          "cd",
          "chroot",
          "os.listdir",
          "os.chroot",
          "fs.readdirSync"
        ] as Names,
        arguments: [kernelFiles]
      }
    ] as Rule["all"]
  })),
  {
    id: "docker-socket",
    kind,
    languages: ["python", "javascript", "bash"],
    message: "speaks to the socket of a container engine",
    all: [
      {
        calls: [
          "curl",
          "docker",
          "nc",
          "socat",
          "*connect*",
          "*.request",
          "requests*",
          "http.*",
          "docker.*",
          "net.*",
          "axios*"
        ],
        arguments: ["/(?:docker|containerd/containerd|crio/crio|podman/podman)\\.sock"]
      }
    ]
  },
  {
    id: "privileged-container",
    kind,
    languages: ["bash"],
    message: "starts a container with the host's rights or its whole disk",
    all: [
      {
        calls: ["docker", "podman", "nerdctl", "ctr"],
        arguments: ["^(?:run|exec)$", "^--privileged(?:=true)?$|^/:/|^--pid=host$"]
      }
    ]
  },
  {
    id: "host-namespaces",
    kind,
    languages: ["bash"],
    message: "enters the namespaces of the first process",
    all: [{ calls: ["nsenter"], arguments: ["^(?:1|-t1|--target=1)$"] }]
  },
  {
    id: "host-disk",
    kind,
    languages: ["bash"],
    message: "mounts a disk of the machine, or cgroups, to reach outside the sandbox",
    all: [
      { calls: ["mount"], arguments: ["^cgroup$"] },
      { calls: ["write-to", "tee"], arguments: ["release_agent|notify_on_release"] }
    ]
  },
  {
    id: "host-disk-read",
    kind,
    languages: ["bash"],
    message: "reads or mounts a whole disk of the machine",
    all: [{ calls: ["mount", "debugfs"], arguments: ["^/dev/(?:sd[a-z]|vd[a-z]|nvme\\d|xvd[a-z]|dm-)"] }]
  },
  {
    id: "kernel-module",
    kind,
    languages: ["bash"],
    message: "loads a module of its own into the kernel",
    all: [{ calls: ["insmod"], arguments: ["\\.ko$"] }]
  },
  {
    id: "python-setns",
    kind,
    languages: ["python"],
    message: "enters another process's namespaces",
    all: [
      { calls: ["*.setns", "os.setns"] },
      { calls: ["open", "os.open", "os.pidfd_open", "*.setns"], arguments: ["^/proc/1/ns/"] }
    ]
  }
]
