// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "ac912bc4bb6974180f435fcd96e1d68481f6d91188992d7cfeca8f7756fd025c",
  arm64: "fdbd1f84b575d2068b98a101c76a811900e11a1b757a464221df6968aee836a2"
} as const
