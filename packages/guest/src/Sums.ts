// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "5087e4afe6686110aeaca4a415ff66d5fba82d63f9edec664308df77a7ae6669",
  arm64: "7dfad2da10eee36f3cad8b87945d5e8cde3a8a0b27b8b2b93030bf1a81548c18"
} as const
