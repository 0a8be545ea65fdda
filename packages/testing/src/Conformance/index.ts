export * as Case from "./Case.js"
export * as SandboxProviderConformance from "./SandboxProviderConformance.js"
