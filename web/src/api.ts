// The admin API from the browser: requests with the login that the person gave, and the live events.

import { signal } from '@preact/signals';
import { readEvents } from './events.ts';
import type { HubFacts } from './hub-facts.ts';

interface ProtocolFigures {
  readonly clients: number;
  readonly connections: number;
  readonly refused: number;
  readonly broken: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly received: readonly number[];
  readonly delivered: readonly number[];
}

export interface Figures {
  readonly at: number;
  readonly protocols: Readonly<Record<string, ProtocolFigures>>;
  readonly dropped: Readonly<Record<string, number>>;
  readonly clients: number;
  readonly sessions: number;
  readonly subscriptions: number;
  readonly retained: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  readonly storeBytes: number;
  readonly memoryBytes: number;
  readonly cpuSeconds: number;
  readonly lagSeconds: number;
  readonly lagSamples: number;
}

export interface HubEvent {
  readonly kind: 'connected' | 'disconnected' | 'subscribed' | 'unsubscribed';
  readonly at: number;
  readonly client?: { readonly protocol: string; readonly client: string; readonly remote: string };
  readonly protocol?: string;
  readonly session?: string;
  readonly filter?: string;
  readonly graceful?: boolean;
  /** Why it left, where the hub says so. */
  readonly reason?: string;
}

export const hub = signal<HubFacts | undefined>(undefined);
/** Figures of the last minutes, oldest first. */
export const history = signal<readonly Figures[]>([]);
export const happened = signal<readonly HubEvent[]>([]);
/** 'login': the API asks for a password. */
export const live = signal<'off' | 'on' | 'login'>('off');

/** Who is logged in; undefined: nobody has to be. */
export const role = signal<'viewer' | 'admin' | undefined>(undefined);

/** Who may only look is not shown what would be refused. */
export function mayChange(): boolean {
  return role.value !== 'viewer' && live.value !== 'login';
}

const KEPT_FIGURES = 180;
const KEPT_EVENTS = 500;
const AGAIN_MS = 2_000;

/** What every change shows, so that no other page can make one with our cookie. */
let csrf: string | undefined;

interface Session {
  readonly loginNeeded: boolean;
  readonly role: 'viewer' | 'admin' | null;
  readonly csrf: string | null;
}

/** Throws Error with the sentence of the hub when it refuses. */
export async function api<T>(path: string, method = 'GET', body?: object): Promise<T> {
  const response = await request(path, method, body);
  const answer = (await response.json()) as T & { detail?: string };
  if (!response.ok) throw new Error(answer.detail ?? `HTTP ${response.status}`);
  return answer;
}

/** The answer as it comes, such as a stream of events. */
export async function request(
  path: string,
  method = 'GET',
  body?: object,
  more: RequestInit = {},
): Promise<Response> {
  const response = await fetch(`/api/v1${path}`, {
    method,
    ...more,
    headers: { ...more.headers, ...(csrf === undefined ? {} : { 'X-Waymeet-CSRF': csrf }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.status === 401 && path !== '/login') live.value = 'login';
  return response;
}

/** Tries a login; resolves to what is wrong with it, or undefined. */
export async function logIn(user: string, password: string): Promise<string | undefined> {
  try {
    note(await api<Session>('/login', 'POST', { user, password }));
  } catch (error) {
    return (error as Error).message;
  }
  return undefined;
}

export async function leave(): Promise<void> {
  await api('/logout', 'POST');
  note(await api<Session>('/session'));
}

function note(session: Session): void {
  csrf = session.csrf ?? undefined;
  role.value = session.loginNeeded ? (session.role ?? undefined) : undefined;
  if (session.loginNeeded && session.role === null) live.value = 'login';
  else if (live.value === 'login') live.value = 'off';
}

/** Follows the hub for as long as the page is open. */
export async function follow(): Promise<void> {
  for (;;) {
    try {
      hub.value = await api<HubFacts>('/hub');
      note(await api<Session>('/session'));
      if (live.value !== 'login') await followOnce();
    } catch {
      live.value = live.value === 'login' ? 'login' : 'off'; // the hub is gone: it is asked again below
    }
    await new Promise((done) => setTimeout(done, AGAIN_MS));
  }
}

async function followOnce(): Promise<void> {
  const response = await request('/events');
  if (!response.ok) return;
  live.value = 'on';
  for await (const { type, data } of readEvents(response)) {
    if (type === 'figures')
      history.value = [...history.value, JSON.parse(data) as Figures].slice(-KEPT_FIGURES);
    else if (type === 'recent') happened.value = (JSON.parse(data) as HubEvent[]).reverse();
    else happened.value = [JSON.parse(data) as HubEvent, ...happened.value].slice(0, KEPT_EVENTS);
  }
  live.value = 'off';
}
