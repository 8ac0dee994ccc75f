// The package's entry `waymeet/client`, in Node.

export type { Message, UserProperty } from '../contract/message.ts';
export type { Ability, Opened } from '../contract/speaker.ts';
export { Client, type CloseOptions, type PublishOptions } from './client.ts';
export { connect } from './connect.ts';
export { type ErrorCode, WaymeetError } from './error.ts';
export type { HealthEvent } from './health.ts';
export { IncomingMessage, type MessageOptions, type Payload } from './message.ts';
export type { ConnectOptions, OutboxOptions, TlsOptions, WillOptions } from './options.ts';
export type { RequestOptions } from './patterns/request.ts';
export type { Responder, Responding, RespondOptions } from './patterns/respond.ts';
export { type SubscribeOptions, Subscription } from './subscription.ts';
export type { Tap } from './tap.ts';
