// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "386b3a876b65ec422d6cfa33747c1a6584e541bd9ee6eb271b4b6ffc2acdd4bd",
  arm64: "802f102fe18610b29605af57947a76a0b562f4b2ce02c4babcbd4ce47b82772b"
} as const
