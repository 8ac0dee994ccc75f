// What the names in a selector mean in a message: the JMS header fields, and the user properties.

import { type Id, type Message, NEVER } from '../contract/message.ts';
import type { SelectorValue } from './parse.ts';

/** The value of a JMS header field, or of the first user property of that name; undefined: it has none. */
export function fieldOf(m: Message, name: string): SelectorValue | undefined {
  const { meta } = m;
  switch (name) {
    case 'JMSPriority':
      return meta?.priority ?? 4;
    case 'JMSTimestamp':
      return meta?.createdAt ?? m.at;
    case 'JMSDeliveryMode':
      return m.qos > 0 ? 'PERSISTENT' : 'NON_PERSISTENT';
    case 'JMSExpiration':
      return m.expiresAt === NEVER ? 0 : m.expiresAt;
    case 'JMSDestination':
      return m.topic;
    case 'JMSMessageID':
      return textOf(meta?.messageId);
    case 'JMSCorrelationID':
      return textOf(meta?.correlation);
    case 'JMSReplyTo':
      return meta?.responseTopic;
    case 'JMSXGroupID':
      return meta?.groupId;
    case 'JMSXGroupSeq':
      return meta?.groupSequence;
    default:
      return propertyOf(m, name);
  }
}

function propertyOf(m: Message, name: string): SelectorValue | undefined {
  const user = m.meta?.user;
  if (user === undefined) return undefined;
  for (const property of user) {
    if (property.name === name) return property.value instanceof Uint8Array ? undefined : property.value;
  }
  return undefined;
}

function textOf(id: Id | undefined): string | undefined {
  if (id === undefined || id instanceof Uint8Array) return undefined;
  return typeof id === 'object' ? id.uuid : id.toString();
}
