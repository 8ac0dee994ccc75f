// A survey: a question to all who listen, their answers until a deadline, and who of those expected did not answer.

/*
 *                  ┌──▶ b ──┐
 *   survey(a, t) ──┼──▶ c ──┼──▶ answers of b and c; missing: d
 *                  └──▶ d   ┘
 */

import type { Client } from '../client.ts';
import type { IncomingMessage, Payload } from '../message.ts';
import type { RequestOptions } from './request.ts';
import { FAILED, FROM, STREAM } from './words.ts';

export interface SurveyOptions extends RequestOptions {
  /** Ids of the clients whose answer is awaited: once all have answered, the deadline is not waited for. */
  readonly expected?: readonly string[];
  /** Enough: so many answers end it. */
  readonly most?: number;
}

export interface SurveyAnswer {
  /** The id of the client that answered; empty where the protocol does not carry it. */
  readonly from: string;
  readonly message: IncomingMessage;
  /** It says that it failed; the payload says why. */
  readonly failed: boolean;
}

export interface SurveyResult {
  readonly answers: readonly SurveyAnswer[];
  /** Of `expected`. */
  readonly missing: readonly string[];
}

/** Who answers does so with `client.respond(topic, …)`. No answer at all is a result, not an error. */
export async function survey(
  client: Client,
  topic: string,
  payload: Payload,
  { expected = [], most = Number.POSITIVE_INFINITY, ...options }: SurveyOptions = {},
): Promise<SurveyResult> {
  const missing = new Set(expected);
  const answers: SurveyAnswer[] = [];
  for await (const message of (await client.asking()).all(topic, payload, options)) {
    const from = message.property(FROM) ?? '';
    answers.push({ from, message, failed: message.property(STREAM) === FAILED });
    missing.delete(from);
    if (answers.length >= most || (expected.length > 0 && missing.size === 0)) break;
  }
  return { answers, missing: [...missing] };
}
