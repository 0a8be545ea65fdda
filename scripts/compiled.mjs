// Runs a program of one file with what V8 compiled of it before, which takes a fifth off the time to start.
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname } from "node:path"
import { Script } from "node:vm"

/** The program that a launcher starts, and what was compiled of it. */
export const programOf = (launcher) => {
  const path = launcher.replace(/\.js$/, ".cjs")
  return { path, compiled: `${path}.compiled` }
}

/** Runs it. A version of Node that cannot use what another compiled does without. */
export const runProgram = ({ compiled, path }) => {
  const text = readFileSync(path, "latin1")
  const script = new Script(`(function (require, module, exports, __filename, __dirname) {${text}\n})`, {
    filename: path,
    ...(existsSync(compiled) && { cachedData: readFileSync(compiled) })
  })
  const module = { exports: {} }
  script.runInThisContext()(createRequire(path), module, module.exports, path, dirname(path))
  return script
}
