// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "0240e2d73b2a79c624501e3af4a25eea3552f5aa98eabd05780961f4e497dc9a",
  arm64: "9c548f8b1e142bbe6171d07707ae95bebf7c6ed42db24f971f165508a6146d5f"
} as const
