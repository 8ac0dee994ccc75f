// What a client asked for and does not get: it is told by an ERROR frame, and the connection ends.

import type { Outcome } from '../../contract/outcome.ts';
import { SENTENCE } from './map.ts';

/** `message` is the frame's message header, `detail` its body. [STOMP12-error] */
export class Refusal extends Error {
  readonly detail: string;
  constructor(message: string, detail: string) {
    super(message);
    this.name = 'Refusal';
    this.detail = detail;
  }
}

export function refusalOf(what: string, outcome: Outcome): Refusal {
  return new Refusal(outcome, `${what}: ${SENTENCE[outcome]}`);
}

export function badHeader(command: string, what: string): Refusal {
  return new Refusal('bad-header', `${command}: ${what}.`);
}
