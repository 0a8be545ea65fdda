// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "8f3edb1d3d2803effe9fa290d3ce33ce318c932840e9dc14e710e849a581d711",
  arm64: "1c6acac6dda135a5169570131672a35d7b7982d629bb5259ce928e37aa8e0ea4"
} as const
