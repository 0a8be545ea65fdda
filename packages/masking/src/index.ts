export * from "./SecretForms.js"
