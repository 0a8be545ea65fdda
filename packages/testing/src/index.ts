export * as MockSandboxProvider from "./MockSandboxProvider.js"
export * as MockSupervisor from "./MockSupervisor.js"
