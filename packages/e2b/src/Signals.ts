/** How envd, which is written in Go, spells the signals that end programs. */
const spellings: Record<string, string> = {
  hangup: "SIGHUP",
  interrupt: "SIGINT",
  quit: "SIGQUIT",
  "illegal instruction": "SIGILL",
  "trace/breakpoint trap": "SIGTRAP",
  aborted: "SIGABRT",
  "bus error": "SIGBUS",
  "floating point exception": "SIGFPE",
  killed: "SIGKILL",
  "user defined signal 1": "SIGUSR1",
  "segmentation fault": "SIGSEGV",
  "user defined signal 2": "SIGUSR2",
  "broken pipe": "SIGPIPE",
  "alarm clock": "SIGALRM",
  terminated: "SIGTERM",
  "stack fault": "SIGSTKFLT",
  "CPU time limit exceeded": "SIGXCPU",
  "file size limit exceeded": "SIGXFSZ",
  "virtual timer expired": "SIGVTALRM",
  "profiling timer expired": "SIGPROF",
  "I/O possible": "SIGIO",
  "power failure": "SIGPWR",
  "bad system call": "SIGSYS"
}

/** The signal in an exit status like `signal: killed` or `signal: aborted (core dumped)`. */
export const ofStatus = (status: string): string | undefined => {
  const [, spelling] = /^signal: (.+?)(?: \(core dumped\))?$/.exec(status) ?? []
  return spelling === undefined ? undefined : (spellings[spelling] ?? spelling)
}
