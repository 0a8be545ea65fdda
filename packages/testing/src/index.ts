export * as MockArtifacts from "./MockArtifacts.js"
export * as MockSandboxProvider from "./MockSandboxProvider.js"
export * as MockSupervisor from "./MockSupervisor.js"
export * as Simulation from "./Simulation.js"
