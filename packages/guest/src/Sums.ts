// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "a9eba8c222efefc0c24ff81df71105679a5f9477d63e9a9ae432a66b09801cf3",
  arm64: "1c14514e8153ac5cd8cef65e72fe24c553551af7bfdc349383380f84abd410f6"
} as const
