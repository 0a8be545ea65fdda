// What people start: runs the program beside it.
import { fileURLToPath } from "node:url"
import { programOf, runProgram } from "./compiled.mjs"

runProgram(programOf(fileURLToPath(import.meta.url)))
