// Loads a bundled program, and keeps what V8 compiled for that beside it. The words after its name begin nothing else.
import { writeFileSync } from "node:fs"
import { programOf, runProgram } from "./compiled.mjs"

const [node, , launcher, ...words] = process.argv
process.argv = [node, launcher, ...words]
const program = programOf(launcher)
writeFileSync(program.compiled, runProgram(program).createCachedData())
process.exit()
