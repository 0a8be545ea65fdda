// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "5594ab95e15bff6d0fc635e82fe9edbb1e21110f441ea399c18c061225ae1cac",
  arm64: "197e1f1ed965c16f2685b8c35dd071621cf007b9c837255fbff5479f44b420d7"
} as const
