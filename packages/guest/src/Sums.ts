// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "6e2ced0b98d78c29b61569239dafe06ef517cd203567c7c3853b2a1d4e638a10",
  arm64: "650f562205cedd139a7f347d537eb2b6daa859bc436d3fa71f5049829222e4d3"
} as const
