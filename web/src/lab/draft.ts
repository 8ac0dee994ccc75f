// The run that somebody is putting together: what the form holds, and the workload that it becomes.

import { signal } from '@preact/signals';
import type { Catalogue, VariantFacts } from './runs.ts';

export interface Draft {
  readonly messages: number;
  readonly bytes: number;
  readonly shape: 'text' | 'binary' | 'json';
  readonly rate: number;
  readonly devices: number;
  readonly fanOut: number;
  readonly direction: 'up' | 'down' | 'both';
  readonly qos: 'any' | '0' | '1' | '2';
  readonly security: 'any' | 'none' | 'some';
  readonly retained: boolean;
  readonly keepAliveSeconds: number;
  readonly reconnectEvery: number;
  readonly resume: boolean;
  /** From and for so many seconds; of 0 there is none. */
  readonly outageAfter: number;
  readonly outageSeconds: number;
  readonly seed: number;
  /** Besides, each variant at several shares of loss, or several rates. */
  readonly sweeps: ReadonlySet<string>;
  readonly networks: ReadonlySet<string>;
  readonly own: OwnNetwork;
  readonly variants: ReadonlySet<string>;
}

/** A network of one's own, made from one that there is. */
export interface OwnNetwork {
  readonly wanted: boolean;
  readonly from: string;
  /** One way. */
  readonly delayMs: number;
  /** In percent. */
  readonly loss: number;
  readonly upKbps: number;
  readonly downKbps: number;
}

export const draft = signal<Draft | undefined>(undefined);

export function change(part: Partial<Draft>): void {
  if (draft.value !== undefined) draft.value = { ...draft.value, ...part };
}

/** Small enough that it is there in seconds. */
export function firstDraft(c: Catalogue): Draft {
  const from = c.networks.find((n) => n.name === 'wifi') ?? c.networks[0]!;
  return {
    messages: 200,
    bytes: 20,
    shape: 'text',
    rate: 0.1,
    devices: 1,
    fanOut: 1,
    direction: 'up',
    qos: 'any',
    security: 'any',
    retained: false,
    keepAliveSeconds: 60,
    reconnectEvery: 0,
    resume: true,
    outageAfter: 60,
    outageSeconds: 0,
    seed: 1,
    sweeps: new Set(),
    networks: new Set([from.name]),
    own: { wanted: false, ...likeNetwork(c, from.name) },
    variants: new Set(c.defaultVariants),
  };
}

export function likeNetwork(c: Catalogue, name: string): Omit<OwnNetwork, 'wanted'> {
  const { delayMs, loss, upKbps, downKbps } = c.networks.find((n) => n.name === name)!;
  return { from: name, delayMs, loss: Number((loss * 100).toFixed(2)), upKbps, downKbps };
}

/** Whether a variant has the guarantee and the security that are asked for. */
export function fits({ qos, security }: VariantFacts, d: Draft): boolean {
  return (
    (d.qos === 'any' || qos === Number(d.qos)) &&
    (d.security === 'any' || (security !== 'none') === (d.security === 'some'))
  );
}

/** Of a sweep, for each variant and network. */
const POINTS = 6;

export interface Size {
  readonly variants: number;
  readonly networks: number;
  /** Variants times networks, once, and once for each point of a sweep. */
  readonly cells: number;
  readonly messages: number;
  /** Why it cannot be run as it is. */
  readonly wrong: string | undefined;
}

export function sizeOf(d: Draft, c: Catalogue): Size {
  const variants = c.variants.filter((v) => d.variants.has(v.id) && fits(v, d)).length;
  const networks = d.networks.size + (d.own.wanted ? 1 : 0);
  const cells = variants * networks * (1 + d.sweeps.size * POINTS);
  const messages = cells * d.messages * d.fanOut;
  const wrong =
    variants === 0
      ? 'Choose a variant that has this guarantee and security.'
      : networks === 0
        ? 'Choose a network.'
        : cells > c.maxCells
          ? `Choose fewer: ${cells} cells (variants times networks, and points of sweeps) are more than ${c.maxCells}.`
          : messages > c.maxMessages
            ? `Ask for fewer: ${messages} messages are more than ${c.maxMessages}.`
            : undefined;
  return { variants, networks, cells, messages, wrong };
}

/** As `waymeet lab run` reads it. */
export function workloadOf(d: Draft, c: Catalogue): object {
  const { own } = d;
  const chosen = c.networks.filter((n) => d.networks.has(n.name)).map((n) => n.name);
  const made = {
    from: own.from,
    name: 'own',
    title: `${own.delayMs} ms, ${own.loss} % loss, ${own.upKbps}/${own.downKbps} kbit/s, else as ${own.from}`,
    delayMs: own.delayMs,
    loss: own.loss / 100,
    upKbps: own.upKbps,
    downKbps: own.downKbps,
  };
  const { messages, rate, devices, fanOut, direction, security, retained, seed } = d;
  return {
    ...{ messages, rate, devices, fanOut, direction, security, retained, seed },
    payload: { bytes: d.bytes, shape: d.shape },
    qos: d.qos === 'any' ? 'any' : Number(d.qos),
    keepAliveSeconds: d.keepAliveSeconds,
    reconnectEvery: d.reconnectEvery,
    resume: d.resume,
    ...(d.outageSeconds > 0 && { outage: { after: d.outageAfter, seconds: d.outageSeconds } }),
    sweeps: [...d.sweeps],
    networks: own.wanted ? [...chosen, made] : chosen,
    variants: c.variants.filter((v) => d.variants.has(v.id)).map((v) => v.id),
  };
}

export function toggled(set: ReadonlySet<string>, one: string, wanted: boolean): ReadonlySet<string> {
  const next = new Set(set);
  if (wanted) next.add(one);
  else next.delete(one);
  return next;
}
