export * as MockSandboxProvider from "./MockSandboxProvider.js"
