// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "4778b1ac9efd6362fa1b52d15ef5b3030a8f211ed8452e38e66b69a3e066fb09",
  arm64: "dfa667b082506ef8617223efa4ef9a3214563c772f734f25fe6858eb45963f2f"
} as const
