export * as Case from "./Case.js"
export * as Entries from "./Entries.js"
export * as ExecutionStoreConformance from "./ExecutionStoreConformance.js"
export * as SandboxProviderConformance from "./SandboxProviderConformance.js"
