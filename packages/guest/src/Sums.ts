// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "8f65030dbb4cd36eb43a031114bf0849b86c4261ea56a93a6181f8b451b7eaae",
  arm64: "62c54c7b390f5a4e84ce19b4fed2ac57d4355e757fc84a0dd9b8b6e2355b5114"
} as const
