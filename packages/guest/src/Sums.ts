// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "ce61c81eeed32608e84c5fcbf376db5b395e84f7168a54659554d3276ad47e5d",
  arm64: "e704e267669587f2390f690c5819151c793c51cfa9321fac7e30b08de614a18b"
} as const
