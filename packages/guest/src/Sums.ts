// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "0bdf932667e6c0a5572f892e33c8983bee0238788343391690f8df9994807c4d",
  arm64: "780c8f7eccb37e0def16cf1460a6ff33e73dba88dfbb561bb376f6bee30bcabe"
} as const
