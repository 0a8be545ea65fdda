export { type ClamavAddress, parseAddress } from "./ClamavAddress.js"
export * as ClamavScanner from "./ClamavScanner.js"
