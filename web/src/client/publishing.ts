// What the publish form holds, what was published before, and what was saved to be published again.

import { signal } from '@preact/signals';
import type { Pairs, Qos } from '../links/link.ts';
import { PAYLOAD_FORMATS, type PayloadFormat } from '../payload/write.ts';

/** The form as a person filled it. */
export interface Draft {
  readonly topic: string;
  readonly payload: string;
  readonly format: PayloadFormat;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly contentType: string;
  readonly responseTopic: string;
  readonly correlation: string;
  readonly expiry: string;
  readonly user: string;
}

export interface SavedDraft extends Draft {
  readonly name: string;
}

const DRAFT_KEY = 'waymeet-draft';
const SAVED_KEY = 'waymeet-payloads';
const HISTORY_KEY = 'waymeet-published';
const MAX_HISTORY = 30;

export const EMPTY_DRAFT: Draft = {
  topic: 'demo/hello',
  payload: 'Hello',
  format: 'text',
  qos: 0,
  retain: false,
  contentType: '',
  responseTopic: '',
  correlation: '',
  expiry: '',
  user: '',
};

export const draft = signal<Draft>({ ...EMPTY_DRAFT, ...read<Partial<Draft>>(DRAFT_KEY, {}) });
export const saved = signal<readonly SavedDraft[]>(read<SavedDraft[]>(SAVED_KEY, []));
/** The newest first, each once. */
export const published = signal<readonly Draft[]>(read<Draft[]>(HISTORY_KEY, []));

function read<T>(key: string, otherwise: T): T {
  return JSON.parse(localStorage.getItem(key) ?? 'null') ?? otherwise;
}

export function change(part: Partial<Draft>): void {
  draft.value = { ...draft.value, ...part };
  localStorage.setItem(DRAFT_KEY, JSON.stringify(draft.value));
}

export function chooseFormat(format: PayloadFormat): void {
  const { contentType } = draft.value;
  // The content type follows the format, unless the person wrote another one.
  const ours = Object.values(PAYLOAD_FORMATS).some((f) => f.contentType === contentType);
  change({ format, ...(ours && { contentType: PAYLOAD_FORMATS[format].contentType }) });
}

export function remember(one: Draft): void {
  const text = JSON.stringify(one);
  published.value = [one, ...published.value.filter((d) => JSON.stringify(d) !== text)].slice(0, MAX_HISTORY);
  localStorage.setItem(HISTORY_KEY, JSON.stringify(published.value));
}

export function keep(name: string): void {
  setSaved([...saved.value.filter((s) => s.name !== name), { ...draft.value, name }]);
}

export function forget(name: string): void {
  setSaved(saved.value.filter((s) => s.name !== name));
}

function setSaved(all: readonly SavedDraft[]): void {
  saved.value = all;
  localStorage.setItem(SAVED_KEY, JSON.stringify(all));
}

/** `name=value`, one a line. Throws Error for a line that is none. */
export function pairsOf(text: string): Pairs {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const equals = line.indexOf('=');
      if (equals < 0) throw new Error(`a user property is name=value, not '${line}'`);
      return [line.slice(0, equals), line.slice(equals + 1)];
    });
}
