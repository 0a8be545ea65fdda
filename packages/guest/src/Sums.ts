// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "b0272e4a91b6750e9720b77eb870d9b233f7b5dbeed26e4c5b8ea6f2c17fcae7",
  arm64: "dfd1f411ab42cbb10b0150883c42c499dea473f32819efdcf46a7ead56b20063"
} as const
