// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "d9d4e4fce88ff64a89b5aada70b330fe9ea12a9e1134c65563d99fa5e16d509c",
  arm64: "925f3c9fc9cf95e96d9a8519f3a9eecf039db66e6aa76b1d4071d93fee778869"
} as const
