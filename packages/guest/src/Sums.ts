// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "2170a87f27fa3083720671f52cf901b995b1e4c2fd03d4de3d21324a1ee5e1b9",
  arm64: "2fbafb83f6334110710fde7a12aea263ebe253739427b2cd7bb36f17bf41fbfe"
} as const
