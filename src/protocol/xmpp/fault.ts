// What goes wrong, in XMPP's words: errors of the stream end the connection, errors of a stanza are answered.

import type { Outcome } from '../../contract/outcome.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { element, NS, type XmlElement } from './packet.ts';

/** [RFC6120-4.9.3] */
export type StreamCondition =
  | 'bad-format'
  | 'bad-namespace-prefix'
  | 'conflict'
  | 'connection-timeout'
  | 'host-unknown'
  | 'internal-server-error'
  | 'invalid-namespace'
  | 'invalid-xml'
  | 'not-authorized'
  | 'not-well-formed'
  | 'policy-violation'
  | 'reset'
  | 'resource-constraint'
  | 'restricted-xml'
  | 'system-shutdown'
  | 'undefined-condition'
  | 'unsupported-encoding'
  | 'unsupported-stanza-type'
  | 'unsupported-version';

/** The other side broke the stream: it is told so, and the stream ends. */
export class StreamFault extends ProtocolError {
  readonly condition: StreamCondition;
  /** Says more than the condition, in a namespace of its own. */
  readonly detail: XmlElement | undefined;

  constructor(condition: StreamCondition, clause: string, message: string, detail?: XmlElement) {
    super(clause, message);
    this.condition = condition;
    this.detail = detail;
  }
}

export type ErrorType = 'auth' | 'cancel' | 'modify' | 'wait';

/** [RFC6120-8.3.3] */
export type StanzaCondition =
  | 'bad-request'
  | 'conflict'
  | 'feature-not-implemented'
  | 'forbidden'
  | 'internal-server-error'
  | 'item-not-found'
  | 'jid-malformed'
  | 'not-acceptable'
  | 'not-allowed'
  | 'not-authorized'
  | 'policy-violation'
  | 'recipient-unavailable'
  | 'remote-server-not-found'
  | 'resource-constraint'
  | 'service-unavailable'
  | 'unexpected-request';

/** The type that goes with a condition unless a standard says otherwise. [RFC6120-8.3.3] */
const TYPE: Readonly<Record<StanzaCondition, ErrorType>> = {
  'bad-request': 'modify',
  conflict: 'cancel',
  'feature-not-implemented': 'cancel',
  forbidden: 'auth',
  'internal-server-error': 'cancel',
  'item-not-found': 'cancel',
  'jid-malformed': 'modify',
  'not-acceptable': 'modify',
  'not-allowed': 'cancel',
  'not-authorized': 'auth',
  'policy-violation': 'modify',
  'recipient-unavailable': 'wait',
  'remote-server-not-found': 'cancel',
  'resource-constraint': 'wait',
  'service-unavailable': 'cancel',
  'unexpected-request': 'wait',
};

/** A stanza that cannot be done: it is answered, and the stream goes on. */
export class StanzaFault extends Error {
  readonly condition: StanzaCondition;
  readonly detail: XmlElement | undefined;

  constructor(condition: StanzaCondition, message = '', detail?: XmlElement) {
    super(message);
    this.condition = condition;
    this.detail = detail;
  }

  /** `<error/>` as it stands in the answer. */
  get element(): XmlElement {
    const inside = [element(this.condition, NS.stanzaErrors)];
    if (this.message !== '')
      inside.push(element('text', NS.stanzaErrors, { 'xml:lang': 'en' }, [this.message]));
    if (this.detail !== undefined) inside.push(this.detail);
    return element('error', NS.client, { type: TYPE[this.condition] }, inside);
  }
}

/** An error of XEP-0060, whose own condition says what the general one does not. */
export function pubsubFault(
  condition: StanzaCondition,
  own: string,
  message = '',
  feature?: string,
): StanzaFault {
  return new StanzaFault(condition, message, element(own, NS.pubsubErrors, { feature }));
}

interface Said {
  readonly stanza: StanzaCondition;
  readonly stream: StreamCondition;
  readonly text: string;
}

/** Every outcome as a stanza's error, as the error of a stream that ends for it, and as a sentence. */
export const SAID = {
  ok: { stanza: 'internal-server-error', stream: 'undefined-condition', text: 'Done.' },
  unmatched: { stanza: 'item-not-found', stream: 'undefined-condition', text: 'There is no such recipient.' },
  'bad-credentials': {
    stanza: 'not-authorized',
    stream: 'not-authorized',
    text: 'The user name or the password is wrong.',
  },
  'bad-authentication-method': {
    stanza: 'not-authorized',
    stream: 'not-authorized',
    text: 'This way of authentication is not offered.',
  },
  'not-authorized': {
    stanza: 'forbidden',
    stream: 'not-authorized',
    text: 'Not allowed by the rules of this hub.',
  },
  'identifier-invalid': {
    stanza: 'jid-malformed',
    stream: 'policy-violation',
    text: 'The resource cannot be used.',
  },
  'topic-invalid': {
    stanza: 'not-acceptable',
    stream: 'undefined-condition',
    text: 'The node is no topic name: it must not be empty, too long, or have + or # in it.',
  },
  'filter-invalid': {
    stanza: 'not-acceptable',
    stream: 'undefined-condition',
    text: 'The node is no topic filter: + and # stand for whole levels, # only for the last.',
  },
  'payload-invalid': {
    stanza: 'bad-request',
    stream: 'undefined-condition',
    text: 'The payload is not what it says that it is.',
  },
  'too-large': { stanza: 'not-acceptable', stream: 'policy-violation', text: 'Larger than the hub takes.' },
  'quota-exceeded': {
    stanza: 'resource-constraint',
    stream: 'resource-constraint',
    text: 'A limit of the hub is reached.',
  },
  'rate-exceeded': {
    stanza: 'policy-violation',
    stream: 'policy-violation',
    text: 'Too many in a short time.',
  },
  'no-subscription': {
    stanza: 'unexpected-request',
    stream: 'undefined-condition',
    text: 'There is no such subscription.',
  },
  'not-supported': {
    stanza: 'feature-not-implemented',
    stream: 'undefined-condition',
    text: 'The hub does not offer this.',
  },
  'taken-over': {
    stanza: 'conflict',
    stream: 'conflict',
    text: 'Another connection came with the same resource.',
  },
  'slow-consumer': {
    stanza: 'resource-constraint',
    stream: 'policy-violation',
    text: 'Messages were not read fast enough.',
  },
  idle: {
    stanza: 'recipient-unavailable',
    stream: 'connection-timeout',
    text: 'Nothing was heard for too long.',
  },
  'disconnected-by-admin': {
    stanza: 'not-allowed',
    stream: 'policy-violation',
    text: 'An administrator ended the connection.',
  },
  busy: {
    stanza: 'resource-constraint',
    stream: 'resource-constraint',
    text: 'Another client has it for itself.',
  },
  unavailable: {
    stanza: 'internal-server-error',
    stream: 'internal-server-error',
    text: 'Something the hub needs is not available.',
  },
  'use-another-server': {
    stanza: 'not-allowed',
    stream: 'policy-violation',
    text: 'Use another server.',
  },
  'server-moved': { stanza: 'not-allowed', stream: 'policy-violation', text: 'The server has moved.' },
  'shutting-down': {
    stanza: 'service-unavailable',
    stream: 'system-shutdown',
    text: 'The hub is shutting down.',
  },
} as const satisfies Record<Outcome, Said>;

export function faultOf(why: Outcome): StanzaFault {
  return new StanzaFault(SAID[why].stanza, SAID[why].text);
}
