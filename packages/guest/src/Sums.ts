// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "271afa98aab01c1a2232e94bd4b6135f50a0d41406dd36980a45180aba6d5aa8",
  arm64: "e3e1ec4aff4b70e42ee2be85b145a6e07ea1c05bfadbcdcf003ba4360ffe8575"
} as const
