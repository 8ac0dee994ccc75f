// What the patterns say in topics and properties, the same for who asks and who answers.

import type { Id, UserProperty } from '../../contract/message.ts';

/** The user property of answers in several parts, and of a request that is taken back. */
export const STREAM = 'stream';
export const PART = 'part';
export const END = 'end';
export const FAILED = 'failed';
/** Who answered. */
export const FROM = 'from';
/** Publishing here with a request's correlation takes it back; the request's topic follows. */
export const CANCEL_PREFIX = 'cancel/';

const decoder = new TextDecoder();

/** Correlations are ASCII: some protocols bring them back as octets. */
export function correlationOf(id: Id | undefined): string | undefined {
  if (id === undefined || typeof id === 'string') return id;
  if (id instanceof Uint8Array) return decoder.decode(id);
  return typeof id === 'bigint' ? String(id) : id.uuid;
}

export function userProperty(name: string, value: string): UserProperty {
  return { name, value };
}
