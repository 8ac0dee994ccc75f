// HTTP: publishes with POST /topics, subscribes with one stream of server-sent events for each filter.

import { readEvents } from '../events.ts';
import type { Link, LinkEvents, LinkOptions, Outgoing, Qos } from './link.ts';
import { arrivedOf, type JsonMessage } from './waymeet.ts';

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
      () => this.over('the hub does not answer'),
    );
  }

  private headers(): Record<string, string> {
    const { username, password } = this.o;
    if (username === '') return {};
    const octets = new TextEncoder().encode(`${username}:${password}`);
    return { Authorization: `Basic ${btoa(String.fromCharCode(...octets))}` };
  }

  async subscribe(filter: string, qos: Qos): Promise<number> {
    const stop = new AbortController();
    const url = `/subscribe?filter=${encodeURIComponent(filter)}&qos=${qos}`;
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
      if (event.type === 'message')
        this.events.message(arrivedOf(JSON.parse(event.data) as JsonMessage, event.raw));
    }
    if (!stop.signal.aborted) this.over('the hub ended the stream of events');
  }

  async unsubscribe(filter: string): Promise<void> {
    this.streams.get(filter)?.abort();
    this.streams.delete(filter);
  }

  async publish(m: Outgoing): Promise<void> {
    const path = m.topic.split('/').map(encodeURIComponent).join('/');
    const expiry = m.expirySeconds > 0 ? `&expiry=${m.expirySeconds}` : '';
    const response = await fetch(`/topics/${path}?qos=${m.qos}&retain=${m.retain}${expiry}`, {
      method: 'POST',
      body: m.payload.slice(),
      headers: {
        ...this.headers(),
        ...(m.contentType !== '' && { 'Content-Type': m.contentType }),
        ...(m.responseTopic !== '' && { 'Waymeet-Response-Topic': encodeURIComponent(m.responseTopic) }),
        ...(m.correlation !== '' && { 'Waymeet-Correlation': encodeURIComponent(m.correlation) }),
        ...(m.user.length > 0 && {
          'Waymeet-User': m.user.map((pair) => pair.map(encodeURIComponent).join('=')).join(', '),
        }),
      },
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
