// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "cc7e7994be833fa53f2c5d517936e2c76467c71563b52434fb801e869382287c",
  arm64: "07b9a96e9dad857fdd91760a683ca7c3e288eb2f6a89e3e373f35b13b2ea5bd1"
} as const
