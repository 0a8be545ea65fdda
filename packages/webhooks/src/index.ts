export { NameResolver, NameUnknown } from "./NameResolver.js"
export { isAllowed, isPublic, type Network, parseNetwork } from "./Networks.js"
export { DeliveryFailure, type Post, Receiver } from "./Receiver.js"
export * as WebhookSender from "./WebhookSender.js"
