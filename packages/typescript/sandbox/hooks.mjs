// Finds the modules that a TypeScript program imports. The thread of the program compiles them (run.cjs), or this one.
import { readFile, stat } from "node:fs/promises"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"

const waiting = new Map()
let port
let compileHere

export const initialize = (data) => {
  if (data.runner !== undefined) {
    const { answerFor } = createRequire(import.meta.url)(data.runner)
    compileHere = (url) => answerFor(data.main, url)
    return
  }
  port = data.port
  port.on("message", ({ id, ...answer }) => {
    waiting.get(id)?.(answer)
    waiting.delete(id)
    if (waiting.size === 0) port.unref()
  })
  port.unref()
}

const compiled = (url) =>
  new Promise((resolve) => {
    const id = waiting.size === 0 ? 0 : Math.max(...waiting.keys()) + 1
    waiting.set(id, resolve)
    // Nothing else keeps this thread until the answer is there.
    port.ref()
    port.postMessage({ id, url })
  })

const isFile = (url) =>
  stat(new URL(url)).then(
    (found) => found.isFile(),
    () => false
  )

/** As TypeScript finds what has no extension, or that of what it would be compiled to. */
const candidates = (url) => {
  const [, stem, letter, x] = /^(.*)\.([cm]?)js(x?)$/.exec(url) ?? []
  if (stem !== undefined) return [`${stem}.${letter}ts${x}`, `${stem}.tsx`]
  const names = [".ts", ".tsx", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"]
  return [
    ...names.map((name) => url + name),
    ...names.map((name) => `${url.replace(/\/$/, "")}/index${name}`)
  ]
}

const missing = ["ERR_MODULE_NOT_FOUND", "ERR_UNSUPPORTED_DIR_IMPORT"]

export const resolve = async (specifier, context, next) => {
  try {
    return await next(specifier, context)
  } catch (error) {
    const isPath = /^(?:\.{0,2}\/|file:|\.{1,2}$)/.test(specifier)
    if (!isPath || !missing.includes(error?.code) || context.parentURL === undefined) throw error
    for (const url of candidates(new URL(specifier, context.parentURL).href))
      if (await isFile(url)) return await next(url, context)
    throw error
  }
}

const typed = /^file:.*(?<!\.d)\.[cm]?tsx?$/

/** A file that is CommonJS all through is required, and gives what it exports as the default. */
const required = (url) =>
  'import{createRequire}from"node:module";' +
  `export default createRequire(${JSON.stringify(url)})(${JSON.stringify(fileURLToPath(url))})`

/** JSON as a module. It is data: read as a program it could be one. */
const jsonModule = async (url) => {
  const text = (await readFile(new URL(url), "utf8")).replace(/^\uFEFF/, "")
  try {
    JSON.parse(text)
  } catch (error) {
    throw new SyntaxError(`${fileURLToPath(url)}: ${error.message}`)
  }
  return `export default JSON.parse(${JSON.stringify(text)})`
}

export const load = async (url, context, next) => {
  const { pathname, protocol } = new URL(url)
  if (typed.test(protocol + pathname)) {
    const { fault, format, source } = compileHere?.(url) ?? (await compiled(url))
    if (fault !== undefined) throw Object.assign(new SyntaxError(fault), { stack: fault })
    return { format: "module", source: format === "module" ? source : required(url), shortCircuit: true }
  }
  const type = (context.importAttributes ?? context.importAssertions)?.type
  if (protocol === "file:" && pathname.endsWith(".json") && type === undefined)
    return { format: "module", source: await jsonModule(url), shortCircuit: true }
  return await next(url, context)
}
