// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "0ead0453c9cbc7410f349374f06699f7697044e3e2855050b5870394e9761e84",
  arm64: "808bea4c56f3291d674473579df171ab024de7a2fd7bd7caf027cc84231d0148"
} as const
