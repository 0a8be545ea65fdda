// Runs a TypeScript program in a sandbox, with the compiler beside it and nothing else: `node run.cjs main.ts ARGS`.
// Each file is compiled by itself when it is loaded, so types are not checked. `--check` only says, by its exit code,
// whether the file can be run at all.
"use strict"

const fs = require("node:fs")
const Module = require("node:module")
const path = require("node:path")
const { pathToFileURL, fileURLToPath } = require("node:url")
const { stripVTControlCharacters } = require("node:util")
const vm = require("node:vm")
const { isMainThread, MessageChannel } = require("node:worker_threads")
const { brotliDecompressSync } = require("node:zlib")

const loadCompiler = () => {
  const file = path.join(__dirname, "typescript.js")
  const library = new Module(file)
  const { stackTraceLimit } = Error
  library._compile(brotliDecompressSync(fs.readFileSync(`${file}.br`)).toString(), file)
  // The compiler lengthens the traces of everybody's errors.
  Error.stackTraceLimit = stackTraceLimit
  return library.exports
}

const ts = loadCompiler()
const { ModuleKind, ScriptKind, ScriptTarget, SyntaxKind } = ts

const isFile = (file) => fs.statSync(file, { throwIfNoEntry: false })?.isFile() === true

/** What of a tsconfig.json decides how a file by itself is compiled. */
const heeded = [
  "emitDecoratorMetadata",
  "experimentalDecorators",
  "jsx",
  "jsxFactory",
  "jsxFragmentFactory",
  "jsxImportSource",
  "useDefineForClassFields"
]

const readConfig = (directory) => {
  const file = path.join(directory, "tsconfig.json")
  if (!isFile(file)) return {}
  const { config } = ts.parseConfigFileTextToJson(file, fs.readFileSync(file, "utf8"))
  const given = Object.entries(config?.compilerOptions ?? {}).filter(([name]) => heeded.includes(name))
  return ts.convertCompilerOptionsFromJson(Object.fromEntries(given), directory).options
}

let ownOptions

/** Names that tell of decorators as they were before the standard's, which are given the member's descriptor or key. */
const legacyNames = ["PropertyDescriptor", "TypedPropertyDescriptor", "propertyKey"]

const isFunction = (node) =>
  ts.isFunctionLike(node) || ts.isPropertyDeclaration(node) || ts.isClassStaticBlockDeclaration(node)

/** What is in a file that decides how it is compiled. Walks without recursion, however deep the file is nested. */
const survey = (source) => {
  const seen = {
    isModule: false,
    isCommonJs: false,
    awaits: false,
    decorates: false,
    decoratesParameters: false,
    names: new Set()
  }
  const rest = [[source, false]]
  while (rest.length > 0) {
    const [node, inFunction] = rest.pop()
    if (ts.isIdentifier(node)) seen.names.add(node.text)
    if (ts.isMetaProperty(node) && node.keywordToken === SyntaxKind.ImportKeyword) seen.isModule = true
    if (!inFunction && (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier)))
      seen.awaits = true
    if (ts.isDecorator(node)) seen.decorates = true
    if (ts.isParameter(node) && ts.getDecorators(node)) seen.decoratesParameters = true
    const within = inFunction || isFunction(node)
    ts.forEachChild(node, (child) => void rest.push([child, within]))
  }
  for (const statement of source.statements) {
    const isExported =
      ts.canHaveModifiers(statement) &&
      ts.getModifiers(statement)?.some(({ kind }) => kind === SyntaxKind.ExportKeyword)
    if (ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement) || isExported)
      seen.isModule = true
    if (ts.isExportAssignment(statement)) seen[statement.isExportEquals ? "isCommonJs" : "isModule"] = true
    if (ts.isImportEqualsDeclaration(statement) && ts.isExternalModuleReference(statement.moduleReference))
      seen.isCommonJs = true
  }
  return seen
}

const forced = {
  languageVersion: ScriptTarget.ES2022,
  setExternalModuleIndicator: (file) => {
    file.externalModuleIndicator = true
  }
}

const parse = (file, text, kind) => ts.createSourceFile(file, text, forced, false, kind)

/** JSX in a file that is not named for it is still JSX, where only that makes sense of it. */
const readSource = (file) => {
  const text = fs.readFileSync(file, "utf8")
  const plain = parse(file, text, /x$/.test(file) ? ScriptKind.TSX : ScriptKind.TS)
  if (plain.parseDiagnostics.length === 0 || !/\.ts$/.test(file)) return { file, text, source: plain }
  const jsx = parse(file, text, ScriptKind.TSX)
  return { file, text, source: jsx.parseDiagnostics.length === 0 ? jsx : plain }
}

const typeOfPackage = (file) => {
  const name = ts.findConfigFile(path.dirname(file), isFile, "package.json")
  if (name === undefined) return undefined
  return ts.parseConfigFileTextToJson(name, fs.readFileSync(name, "utf8")).config?.type
}

const hasLegacyDecorators = ({ decorates, decoratesParameters, names }) =>
  decoratesParameters || (decorates && legacyNames.some((name) => names.has(name)))

/** As Node decides it for JavaScript: by the name, by the package, by what is in the file. */
const kindOf = (file, { awaits, isCommonJs, isModule }) => {
  if (/\.mts$/.test(file)) return "module"
  if (/\.cts$/.test(file) || isCommonJs) return "commonjs"
  const type = typeOfPackage(file)
  if (type === "module" || type === "commonjs") return type
  return isModule || awaits ? "module" : "commonjs"
}

/** What CommonJS gives every file. Those that are written for it and import as well find it in a module too. */
const gifts = ["require", "module", "__filename", "__dirname"]

const giftsFor = (file, names) => {
  const wanted = gifts.filter((name) => names.has(name))
  if (wanted.length === 0) return ""
  const isMain = file === main
  const code =
    'import{createRequire}from"node:module";' +
    `export const __filename=${JSON.stringify(file)},__dirname=${JSON.stringify(path.dirname(file))},` +
    `module={id:${isMain ? '"."' : "__filename"},filename:__filename,exports:{},children:[],paths:[],loaded:false};` +
    (isMain ? "process.mainModule=module;" : "") +
    "export const require=createRequire(__filename);module.require=require"
  // An import counts from the first line on wherever it stands, and at the end it moves no other line.
  return `\nimport { ${wanted.join(", ")} } from ${JSON.stringify(`data:text/javascript,${encodeURIComponent(code)}`)};`
}

/** Not those that the file declares itself. */
const withoutDeclared = (names, source) => {
  const own = new Set()
  const rest = [source]
  while (rest.length > 0) {
    const node = rest.pop()
    if (
      ts.isDeclarationStatement(node) ||
      ts.isVariableDeclaration(node) ||
      ts.isBindingElement(node) ||
      ts.isImportClause(node) ||
      ts.isImportSpecifier(node) ||
      ts.isNamespaceImport(node)
    )
      if (node.name && ts.isIdentifier(node.name)) own.add(node.name.text)
    ts.forEachChild(node, (child) => void rest.push(child))
  }
  return new Set([...names].filter((name) => !own.has(name)))
}

const jsxOf = (text) => (/\bReact\b|@jsx\s/.test(text) ? ts.JsxEmit.React : ts.JsxEmit.ReactJSX)

/** A file as JavaScript of this kind, with the map back to it; or what is wrong with it. */
const compile = (file, wanted) => {
  const { source, text } = readSource(file)
  const seen = survey(source)
  const kind = wanted ?? kindOf(file, seen)
  const isScript = kind === "commonjs" && !seen.isModule && !seen.isCommonJs
  ownOptions ??= readConfig(path.dirname(main))
  const { diagnostics, outputText, sourceMapText } = ts.transpileModule(text, {
    fileName: source.scriptKind === ScriptKind.TSX ? file.replace(/\.ts$/, ".tsx") : file,
    reportDiagnostics: true,
    compilerOptions: {
      target: ScriptTarget.ES2022,
      // Of the kinds of CommonJS the one that leaves `import()` as it is.
      module: kind === "module" ? ModuleKind.ESNext : ModuleKind.Node16,
      moduleDetection: isScript ? ts.ModuleDetectionKind.Auto : ts.ModuleDetectionKind.Force,
      esModuleInterop: true,
      jsx: jsxOf(text),
      ...(hasLegacyDecorators(seen) && { experimentalDecorators: true }),
      ...ownOptions,
      sourceMap: true
    }
  })
  const faults = diagnostics.filter(({ file }) => file !== undefined)
  if (faults.length > 0) return { kind, faults: faults.map((fault) => ({ ...fault, file: source })) }
  const map = { ...JSON.parse(sourceMapText), sources: [pathToFileURL(file).href] }
  const code = outputText.replace(/\n\/\/# sourceMappingURL=\S*\s*$/, "\n")
  const given = kind === "module" ? giftsFor(file, withoutDeclared(seen.names, source)) : ""
  return { kind, code: code + given, map, loadsModules: /\bimport\s*\(/.test(text) }
}

const host = {
  getCurrentDirectory: () => process.cwd(),
  getCanonicalFileName: (name) => name,
  getNewLine: () => "\n"
}

/** As the compiler says it, of the first few. */
const said = (faults) =>
  stripVTControlCharacters(ts.formatDiagnosticsWithColorAndContext(faults.slice(0, 5), host)).trimEnd()

/** What a file that cannot be compiled is turned into: it throws where it is loaded. */
const refusal = (faults) => Object.assign(new SyntaxError(said(faults)), { stack: said(faults) })

const withMap = ({ code, map }) =>
  `${code}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString("base64")}\n`

const compiled = (file, kind) => {
  const result = compile(file, kind)
  if (result.faults) throw refusal(result.faults)
  if (result.loadsModules || result.kind === "module") hookModules()
  return { kind: result.kind, source: withMap(result) }
}

/** What the engine does not take of the CommonJS that comes out, such as a name that is declared twice. */
const engineFlaw = (file, { code, map }) => {
  const before = "(async function (exports, require, module, __filename, __dirname) {"
  try {
    const body = code.replace(/^#!.*/, "").replaceAll("import.meta", "import_meta")
    new vm.Script(`${before}${body}\n})`, { filename: file })
    return undefined
  } catch (error) {
    const [, line, caret = ""] = /:(\d+)\n.*\n( *)\^/.exec(error.stack) ?? []
    if (line === undefined) return `${path.basename(file)} - error: ${error.message}`
    const column = caret.length - (line === "1" ? before.length : 0)
    const { originalColumn = 0, originalLine = 0 } = new Module.SourceMap(map).findEntry(line - 1, column)
    const text = fs.readFileSync(file, "utf8").split(/\r?\n/)[originalLine] ?? ""
    const place = `${path.basename(file)}:${originalLine + 1}:${originalColumn + 1}`
    return `${place} - error: ${error.message}\n\n${originalLine + 1} ${text.slice(0, 200)}`
  }
}

/** Anything that the compiler cannot take, like a program that is nested too deeply, is no valid program. */
const flawOf = (file) => {
  try {
    const result = compile(file)
    if (result.faults) return said(result.faults)
    return engineFlaw(file, result.kind === "module" ? compile(file, "commonjs") : result)
  } catch (error) {
    return `${path.basename(file)} - error: the compiler cannot take it: ${error.message}`
  }
}

const extensions = [".ts", ".tsx", ".mts", ".cts"]

/** Where a file is that is imported by the name of what it would be compiled to. */
const sourceOf = (file) => {
  const [, stem, letter = "", x = ""] = /^(.*)\.([cm]?)js(x?)$/.exec(file) ?? []
  if (stem === undefined) return undefined
  return [`${stem}.${letter}ts${x}`, ...(x || letter ? [] : [`${stem}.tsx`])].find(isFile)
}

const hookCommonJs = () => {
  for (const extension of extensions)
    Module._extensions[extension] = (module, file) => module._compile(compiled(file, "commonjs").source, file)
  const resolve = Module._resolveFilename
  Module._resolveFilename = function (request, parent, ...others) {
    const place =
      parent?.filename && /^\.{0,2}\//.test(request) && path.resolve(path.dirname(parent.filename), request)
    const found = place && !isFile(place) ? sourceOf(place) : undefined
    return found ?? resolve.call(this, request, parent, ...others)
  }
}

let modulesAreHooked = !isMainThread

/** From 23 on Node's main thread waits for the modules' thread, which must not wait for it in turn. */
const waitsForModules = Number(process.versions.node.split(".")[0]) >= 23

/**
 * Modules are found and loaded in a thread of their own, which asks this one to compile where it can: one compiler is
 * enough.
 */
const hookModules = () => {
  if (modulesAreHooked) return
  modulesAreHooked = true
  if (waitsForModules)
    return Module.register("./hooks.mjs", pathToFileURL(__filename), { data: { runner: __filename, main } })
  const { port1, port2 } = new MessageChannel()
  port1.on("message", ({ id, url }) => port1.postMessage({ id, ...answer(fileURLToPath(url)) }))
  port1.unref()
  Module.register("./hooks.mjs", pathToFileURL(__filename), { data: { port: port2 }, transferList: [port2] })
}

const answer = (file) => {
  try {
    const { kind, source } = compiled(file)
    return { format: kind, source }
  } catch (error) {
    return { fault: error.stack }
  }
}

const refuse = (flaw) => {
  process.stderr.write(`${flaw}\n`)
  process.exitCode = 1
}

/** An error that is about the program as it is written is told in its own lines. */
const onModuleFailure = (error) => {
  const flaw = error instanceof SyntaxError ? flawOf(main) : undefined
  return flaw === undefined ? Promise.reject(error) : refuse(flaw)
}

/** What the program is compiled to, or what keeps it from running. */
const look = () => {
  try {
    const result = compile(main)
    const { faults, kind } = result
    return { kind, flaw: faults ? said(faults) : kind === "module" ? undefined : engineFlaw(main, result) }
  } catch {
    return { flaw: flawOf(main) }
  }
}

const run = () => {
  const { flaw, kind } = look()
  if (flaw !== undefined) return refuse(flaw)
  process.setSourceMapsEnabled(true)
  // What the program forks of its own files is run as it is.
  process.execArgv.push(__filename)
  hookCommonJs()
  if (kind === "commonjs") return Module._load(main, null, true)
  hookModules()
  return import(pathToFileURL(main).href).catch(onModuleFailure)
}

const isCheck = process.argv[2] === "--check"
let main
const begin = () => {
  main = fs.realpathSync(process.argv[isCheck ? 3 : 2])
  if (isCheck) {
    process.exitCode = flawOf(main) === undefined ? 0 : 1
    return
  }
  process.argv.splice(1, 2, main)
  run()
}

/** For the modules' thread, where that compiles itself. */
const answerFor = (program, url) => {
  main = program
  return answer(fileURLToPath(url))
}

if (isMainThread) begin()
else module.exports = { answerFor }
