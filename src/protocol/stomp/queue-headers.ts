// What a SUBSCRIBE says about its queue, in the words of RabbitMQ's clients.

import { NEVER } from '../../contract/message.ts';
import { QUEUE_DEFAULTS, type QueueOptions } from '../../contract/queue.ts';
import { parseDestination } from './destination.ts';
import { HeaderError } from './map.ts';
import type { Frame } from './packet.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** QUEUE_DEFAULTS itself when it says nothing: then nobody has declared the queue. Throws HeaderError. */
export function queueOptionsOf(frame: Frame): QueueOptions {
  const options: Mutable<QueueOptions> = { ...QUEUE_DEFAULTS };
  const { headers } = frame;
  let said = false;
  for (let i = 0; i < headers.length; i += 2) said = option(options, headers[i]!, headers[i + 1]!) || said;
  return said ? options : QUEUE_DEFAULTS;
}

/** Whether the header is about the queue. */
function option(o: Mutable<QueueOptions>, name: string, value: string): boolean {
  switch (name) {
    case 'durable':
      o.durable = truth(name, value);
      return true;
    case 'auto-delete':
      o.autoDelete = truth(name, value);
      return true;
    case 'x-expires':
      o.expiresMs = count(name, value);
      return true;
    case 'x-message-ttl':
      o.messageTtlMs = count(name, value);
      return true;
    case 'x-max-length':
      o.maxMessages = count(name, value);
      return true;
    case 'x-max-length-bytes':
      o.maxBytes = count(name, value);
      return true;
    case 'x-delivery-limit':
      o.maxDeliveries = Math.max(1, count(name, value));
      return true;
    case 'x-max-priority':
      o.maxPriority = Math.min(255, count(name, value));
      return true;
    case 'x-single-active-consumer':
      o.singleActive = truth(name, value);
      return true;
    case 'x-overflow':
      if (value !== 'drop-head' && value !== 'reject-publish')
        throw new HeaderError('x-overflow is neither drop-head nor reject-publish');
      o.overflow = value === 'drop-head' ? 'drop-oldest' : 'drop-newest';
      return true;
    case 'x-dead-letter-destination':
      o.deadLetter = deadLetter(value);
      return true;
    default:
      return false;
  }
}

function truth(name: string, value: string): boolean {
  if (value === 'true' || value === 'false') return value === 'true';
  throw new HeaderError(`${name} is neither true nor false`);
}

function count(name: string, value: string): number {
  if (!/^\d{1,15}$/.test(value)) throw new HeaderError(`${name} is not a whole number`);
  return Number(value) || (name === 'x-message-ttl' || name.startsWith('x-max') ? 0 : NEVER);
}

function deadLetter(value: string): string {
  const destination = parseDestination(value);
  if (destination === undefined || destination.kind === 'temporary')
    throw new HeaderError('x-dead-letter-destination is no topic or queue');
  return destination.kind === 'topic' ? destination.topic : `$queue/${destination.name}`;
}
