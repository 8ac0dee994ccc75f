// HTTP: publishes with POST /topics, subscribes with one stream of server-sent events for each filter.

import { readEvents } from '../events.ts';
import type { Link, LinkEvents, LinkOptions, Outgoing, Raw, SubscribeOptions } from './link.ts';
import { arrivedOf, type JsonMessage } from './waymeet.ts';
import { whyNot } from './why.ts';

export class HttpLink implements Link {
  private readonly o: LinkOptions;
  private readonly events: LinkEvents;
  private readonly streams = new Map<string, AbortController>();
  private ended = false;

  constructor(o: LinkOptions, events: LinkEvents) {
    this.o = o;
    this.events = events;
    // There is no connection to open: a first request tells whether the hub is there.
    fetch('/health/live').then(
      () => events.up('', false),
      async () => this.over(await whyNot()),
    );
  }

  private headers(): Record<string, string> {
    const { username, password } = this.o;
    if (username === '') return {};
    const octets = new TextEncoder().encode(`${username}:${password}`);
    return { Authorization: `Basic ${btoa(String.fromCharCode(...octets))}` };
  }

  async subscribe(filter: string, { qos }: SubscribeOptions): Promise<number> {
    const stop = new AbortController();
    const url = `/subscribe?filter=${encodeURIComponent(filter)}&qos=${qos}`;
    this.events.packet('out', `GET ${url} HTTP/1.1\nAccept: text/event-stream`);
    const response = await fetch(url, { headers: this.headers(), signal: stop.signal });
    if (!response.ok) throw await refusal(response);
    this.streams.get(filter)?.abort();
    this.streams.set(filter, stop);
    this.follow(response, stop).catch((error: Error) => {
      if (!stop.signal.aborted) this.over(`the stream of events ended: ${error.message}`);
    });
    return qos;
  }

  private async follow(response: Response, stop: AbortController): Promise<void> {
    for await (const event of readEvents(response)) {
      this.events.packet('in', event.raw);
      if (event.type === 'message')
        this.events.message(arrivedOf(JSON.parse(event.data) as JsonMessage, event.raw));
    }
    if (!stop.signal.aborted) this.over('the hub ended the stream of events');
  }

  async unsubscribe(filter: string): Promise<void> {
    this.streams.get(filter)?.abort();
    this.streams.delete(filter);
  }

  publish(m: Outgoing): { raw: Raw; taken: Promise<void> } {
    const path = m.topic.split('/').map(encodeURIComponent).join('/');
    const expiry = m.expirySeconds > 0 ? `&expiry=${m.expirySeconds}` : '';
    const url = `/topics/${path}?qos=${m.qos}&retain=${m.retain}${expiry}`;
    const headers = {
      ...(m.contentType !== '' && { 'Content-Type': m.contentType }),
      ...(m.responseTopic !== '' && { 'Waymeet-Response-Topic': encodeURIComponent(m.responseTopic) }),
      ...(m.correlation !== '' && { 'Waymeet-Correlation': encodeURIComponent(m.correlation) }),
      ...(m.user.length > 0 && {
        'Waymeet-User': m.user.map((pair) => pair.map(encodeURIComponent).join('=')).join(', '),
      }),
    };
    const raw = requestText('POST', url, headers, m.payload);
    this.events.packet('out', raw);
    return { raw, taken: this.post(url, headers, m.payload) };
  }

  private async post(url: string, headers: Record<string, string>, payload: Uint8Array): Promise<void> {
    const response = await fetch(url, {
      method: 'POST',
      body: payload.slice(),
      headers: { ...this.headers(), ...headers },
    });
    if (!response.ok) throw await refusal(response);
  }

  close(): void {
    this.ended = true;
    for (const stop of this.streams.values()) stop.abort();
  }

  private over(why: string): void {
    if (this.ended) return;
    this.close();
    this.events.down(why, true);
  }
}

async function refusal(response: Response): Promise<Error> {
  const problem = (await response.json().catch(() => ({}))) as { detail?: string };
  return new Error(problem.detail ?? `HTTP ${response.status}`);
}

/** The request as it is sent, but for what the browser adds. */
function requestText(
  method: string,
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`);
  return `${method} ${url} HTTP/1.1\n${lines.join('')}Content-Length: ${body.length}\n\n${new TextDecoder().decode(body)}`;
}
