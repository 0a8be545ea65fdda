export * as CertificateAuthority from "./Interception/CertificateAuthority.js"
export type { HostSecret, SecretHeader } from "./Interception/HostSecret.js"
export * as SecretInterceptor from "./Interception/SecretInterceptor.js"
