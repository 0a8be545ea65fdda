// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "7012bf6a2205afbb6c4c36c5f884ad161e5dfb3b0794682e45dd98c557bad8d8",
  arm64: "bcd310508498b1bc41f892c9e6fde8fee2c9f03fc639979860f75a8863c97501"
} as const
