// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "941f3aafb6dccf4c61774b160c25db266d7802afa31f2b4e8f9d89bbc7a042b9",
  arm64: "530ab196b30a6464ab8aeafaf8d6bda6fc857bf7e8020b99e0a09ab6639d1dac"
} as const
