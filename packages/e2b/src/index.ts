export { E2BConfig, type E2BOptions } from "./E2BConfig.js"
export * as E2BErrors from "./E2BErrors.js"
export * as E2BSandbox from "./E2BSandbox.js"
export * as E2BSandboxProvider from "./E2BSandboxProvider.js"
