// The package's entry `waymeet/client`, in Node.

export { Client, type CloseOptions, type PublishOptions } from './client.ts';
export { connect } from './connect.ts';
export type { HealthEvent } from './connector.ts';
export { type ErrorCode, WaymeetError } from './error.ts';
export { IncomingMessage, type MessageOptions, type Payload } from './message.ts';
export type { ConnectOptions, OutboxOptions, TlsOptions, WillOptions } from './options.ts';
export { type Bus, type BusMessage, joinBus } from './patterns/bus.ts';
export { inbox, senderOf, sendTo } from './patterns/direct.ts';
export { push, type Worker, type Working, type WorkOptions, work } from './patterns/pipeline.ts';
export type { RequestOptions } from './patterns/request.ts';
export type { Responder, Responding, RespondOptions } from './patterns/respond.ts';
export { announce, clear, get, Presence, presence, presenceWill, put } from './patterns/state.ts';
export { type SurveyAnswer, type SurveyOptions, type SurveyResult, survey } from './patterns/survey.ts';
export { type SubscribeOptions, Subscription } from './subscription.ts';
