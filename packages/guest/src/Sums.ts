// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "07ef0ca64a7faaa22c914f27da9907c54cada3cad0da32ce93489cda491fa21d",
  arm64: "3e320df4d9bc6bf866b86b2b0de5ce498a8bf401d40d59ef57aeaf9cc99396e1"
} as const
