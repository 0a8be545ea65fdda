export * as Guest from "./Guest.js"
