export { EmbeddedHost, type EmbeddedHostService } from "./EmbeddedHost.js"
export { IsolationUnavailable, ListenFailed } from "./HostErrors.js"
export type { HostOptions } from "./HostOptions.js"
export type { IsolationDescription } from "./Isolation/IsolationDescription.js"
