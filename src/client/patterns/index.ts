// The package's entry `waymeet/client/patterns`, the same in Node and in a browser: one call for each way of messaging.

export { type Bus, type BusMessage, joinBus } from './bus.ts';
export { inbox, senderOf, sendTo } from './direct.ts';
export { push, type Worker, type Working, type WorkOptions, work } from './pipeline.ts';
export { announce, clear, get, Presence, presence, presenceWill, put } from './state.ts';
export { type SurveyAnswer, type SurveyOptions, type SurveyResult, survey } from './survey.ts';
