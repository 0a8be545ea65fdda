export * as TypeScriptRunner from "./TypeScriptRunner.js"
