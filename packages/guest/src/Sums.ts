// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "1959e5215ddf1a93abd2876da34d680ba168d520e968f27b053c34f0236f2a17",
  arm64: "5d18cb47c36740b3299ab7b58a2abdfc16a41bd3ee607aad6b8ad2eaeb065781"
} as const
