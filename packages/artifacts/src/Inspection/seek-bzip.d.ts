// The package has no types of its own.
declare module "seek-bzip" {
  interface Input {
    readonly readByte: () => number
    readonly read: (into: Uint8Array, from: number, count: number) => number
    readonly eof: () => boolean
  }
  interface Output {
    readonly writeByte: (byte: number) => void
  }
  const Bunzip: {
    /** Unpacks to the output's end; throws what is wrong with the input. */
    readonly decode: (input: Input, output: Output, isMultistream: boolean) => void
  }
  export default Bunzip
}
