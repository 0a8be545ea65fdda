// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "17de7bd872951179881f91ea8f63f907c007abc9dd383589392526cef9d455c9",
  arm64: "7aa2deb74da4435f74650eb3f2b3a85b1db82a5c05cba18e61491e6e9cf34922"
} as const
