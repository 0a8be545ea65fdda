import type { HostileProgram } from "./HostileProgram.js"

const failed = { verdict: "NonZeroExit", error: "RUNTIME_ERROR" } as const

export const exits: ReadonlyArray<HostileProgram> = [
  ...[1, 2, 124, 137, 143, 152, 255].map(
    (exitCode): HostileProgram => ({
      name: `exit code ${exitCode}, by itself`,
      language: "bash",
      code: `exit ${exitCode}`,
      ...failed,
      exitCode
    })
  ),
  ...["KILL", "TERM", "SEGV", "ABRT", "XCPU", "PIPE", "ALRM", "SYS", "HUP", "INT"].map(
    (signal): HostileProgram => ({
      name: `SIG${signal}, by itself`,
      language: "bash",
      code: `ulimit -c unlimited 2>/dev/null; kill -${signal} $$; sleep 1`,
      verdict: "Signalled",
      signal: `SIG${signal}`,
      signals: []
    })
  ),
  {
    name: "SIGKILL of its own process group",
    language: "bash",
    code: "sleep 600 & kill -9 0",
    verdict: "Signalled",
    signal: "SIGKILL"
  },
  {
    name: "the end of its standard streams and of its parent's wait, by exec",
    language: "bash",
    code: "exec 0<&- 1>&- 2>&-; exec false",
    ...failed,
    exitCode: 1
  },
  {
    name: "code that python cannot read",
    language: "python",
    code: "print('begun')\ndef f(:\n  pass",
    verdict: "NonZeroExit",
    error: "INVALID_CODE",
    stderr: /SyntaxError/
  },
  {
    name: "code that bash cannot read",
    language: "bash",
    code: "if true; then",
    verdict: "NonZeroExit",
    error: "INVALID_CODE",
    exitCode: 2
  },
  {
    name: "code that node cannot read",
    language: "javascript",
    code: "const = 1",
    verdict: "NonZeroExit",
    error: "INVALID_CODE",
    stderr: /SyntaxError/
  },
  {
    name: "a SyntaxError by eval",
    language: "python",
    code: "eval('def f(:')",
    ...failed,
    exitCode: 1,
    stderr: /SyntaxError/
  },
  {
    name: "a SyntaxError thrown in javascript",
    language: "javascript",
    code: "throw new SyntaxError('as if')",
    ...failed,
    exitCode: 1
  },
  {
    name: "a syntax error by eval in bash",
    language: "bash",
    code: "eval 'if true; then'; exit 2",
    ...failed,
    exitCode: 2
  },
  {
    name: "a module with top-level await",
    language: "javascript",
    code: "import { setTimeout } from 'node:timers/promises'\nawait setTimeout(10)\nconsole.log('done')\nexport {}",
    verdict: "Completed",
    stdout: /^done\n$/
  },
  {
    name: "a module that fails",
    language: "javascript",
    code: "import os from 'node:os'\nawait Promise.reject(new Error(os.EOL))",
    ...failed,
    exitCode: 1
  },
  {
    name: "CommonJS that returns at the top",
    language: "javascript",
    code: "console.log(require('node:path').sep)\nreturn",
    verdict: "Completed",
    stdout: /^\/\n$/
  }
]
