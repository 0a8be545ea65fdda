export { DeliveryFailure, type Post, Receiver } from "./Receiver.js"
export * as WebhookSender from "./WebhookSender.js"
