// What a run does: read from YAML or flags, checked, and every mistake told in a sentence with its remedy.

import { parse } from 'yaml';
import { z } from 'zod';
import type { RadioModel } from './network/radio.ts';
import type { Network } from './networks.ts';
import { DEFAULT_NETWORKS, NETWORKS } from './networks.ts';
import { RADIOS } from './radios.ts';
import { DEFAULT_VARIANTS, VARIANTS, type Variant } from './variant.ts';

/** A run that cannot be: one sentence that says what is wrong and what would be right. */
export class WorkloadError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WorkloadError';
  }
}

/** Of variants and of networks: more are a mistake, and to compare their names takes time. */
const MAX_NAMES = 500;

const share = z.number().min(0).max(0.9);
const ms = z.number().min(0).max(600_000);

const linkFields = {
  title: z.string().max(200),
  medium: z.enum(['ethernet', 'wifi', '802.15.4', 'cellular']),
  ip: z.union([z.literal(4), z.literal(6)]),
  mtu: z.number().int().min(576).max(65_535),
  delayMs: ms,
  jitterMs: ms,
  upKbps: z.number().min(0.1).max(100_000_000),
  downKbps: z.number().min(0.1).max(100_000_000),
  queueBytes: z.number().int().min(1_500).max(1_000_000_000),
  loss: share,
  burst: z.number().min(1).max(1_000),
  duplicate: share,
  reorder: share,
  reorderMs: ms,
  natUdpMs: z.number().min(0),
  natTcpMs: z.number().min(0),
  rebindMs: z.number().min(0),
  radio: z.string(),
};

const network = z
  .strictObject({ from: z.string(), ...linkFields })
  .partial()
  .required({ from: true });

const radio = z.strictObject({
  transmitMw: z.number().min(0),
  receiveMw: z.number().min(0),
  tailMw: z.number().min(0),
  sleepMw: z.number().min(0),
  wakeMs: z.number().min(0),
  tailMs: z.number().min(0),
  source: z.string().default('this workload'),
});

const schema = z.strictObject({
  /** How many messages are published in all. */
  messages: z.number().int().min(1).max(1_000_000).default(1_000),
  /** How many devices are under test; they share the messages. */
  devices: z.number().int().min(1).max(1_000).default(1),
  /** Messages a second of each device; 0: as fast as the protocol's window lets it. */
  rate: z.number().min(0).max(100_000).default(0.1),
  payload: z
    .strictObject({
      bytes: z.number().int().min(8).max(1_048_576).default(20),
      shape: z.enum(['binary', 'text', 'json']).default('text'),
    })
    .prefault({}),
  /** `{device}` becomes the device's number. */
  topic: z.string().min(1).max(512).default('sensors/{device}/temp'),
  /** Who is under test: devices that publish to a server next to the hub, devices that it publishes to, or both. */
  direction: z.enum(['up', 'down', 'both']).default('up'),
  /** Subscribers of every message. */
  fanOut: z.number().int().min(1).max(1_000).default(1),
  /** Only variants with this guarantee. */
  qos: z
    .union([z.literal(0), z.literal(1), z.literal(2), z.literal('any')], 'is 0, 1, 2 or any')
    .default('any'),
  /** Only variants with security, or without. */
  security: z.enum(['any', 'none', 'some']).default('any'),
  retained: z.boolean().default(false),
  keepAliveSeconds: z.number().int().min(0).max(65_535).default(60),
  /** A device says goodbye and connects anew after so many messages; 1: it sleeps in between. 0: it stays. */
  reconnectEvery: z.number().int().min(0).max(1_000_000).default(0),
  /** Whether it remembers its TLS or DTLS session meanwhile. */
  resume: z.boolean().default(true),
  tls: z
    .strictObject({
      version: z.enum(['1.3', '1.2']).default('1.3'),
      certificates: z.array(z.number().int().min(100).max(20_000)).min(1).max(5).default([389]),
      serverName: z.string().min(1).max(255).default('hub.example'),
    })
    .prefault({}),
  tcp: z
    .strictObject({
      nagle: z.boolean().default(false),
      delayedAckMs: z.number().min(0).max(500).default(40),
      sack: z.boolean().default(true),
      timestamps: z.boolean().default(true),
    })
    .prefault({}),
  /** Nothing passes for `seconds` from `after` seconds after the first message. */
  outage: z
    .strictObject({ after: z.number().min(0).max(86_400), seconds: z.number().min(0.001).max(86_400) })
    .optional(),
  /** How long the last messages may take. */
  drainSeconds: z.number().min(0).max(86_400).default(120),
  /** How long an idle client is watched, for what idleness costs; 0: not at all. */
  idleMinutes: z.number().min(0).max(1_440).default(60),
  /** So many idle clients are opened to see what each takes in memory; 0: none. */
  memoryClients: z.number().int().min(0).max(10_000).default(0),
  variants: z
    .union([z.literal('all'), z.array(z.string()).min(1).max(MAX_NAMES)])
    .default([...DEFAULT_VARIANTS]),
  networks: z
    .array(z.union([z.string(), network.extend({ name: z.string().min(1).max(60) })]))
    .min(1)
    .max(MAX_NAMES)
    .default([...DEFAULT_NETWORKS]),
  /** Besides, each variant and network at several shares of loss, or at several rates. */
  sweeps: z
    .array(z.enum(['loss', 'rate']))
    .max(2)
    .default([]),
  radios: z.record(z.string(), radio).default({}),
  seed: z.number().int().min(0).max(4_294_967_295).default(1),
});

export type Workload = z.output<typeof schema>;
export type WorkloadInput = z.input<typeof schema>;

/** A workload with its names looked up. */
export interface Plan {
  readonly workload: Workload;
  readonly variants: readonly Variant[];
  readonly networks: readonly Network[];
  readonly radios: Readonly<Record<string, RadioModel>>;
}

/** The longest virtual time of one cell. */
const MAX_CELL_MS = 366 * 86_400_000;

/** Reads YAML. Throws WorkloadError. */
export function readWorkload(text: string, file: string): WorkloadInput {
  let parsed: unknown;
  try {
    parsed = parse(text);
  } catch (why) {
    throw new WorkloadError(`${file} is no YAML: ${(why as Error).message.split('\n')[0]}`);
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed))
    throw new WorkloadError(`${file} must be a mapping, such as 'messages: 1000'`);
  return parsed as WorkloadInput;
}

/** Checks a workload and looks its names up. Throws WorkloadError. */
export function planOf(input: WorkloadInput): Plan {
  const result = schema.safeParse(input);
  if (!result.success) throw new WorkloadError(sentenceOf(result.error.issues[0]!));
  const workload = result.data;
  const radios: Record<string, RadioModel> = { ...RADIOS };
  for (const [name, model] of Object.entries(workload.radios)) radios[name] = { name, ...model };
  const networks = workload.networks.map((one) => networkOf(one, radios));
  const repeated = networks.find((n, i) => networks.findIndex((other) => other.name === n.name) !== i);
  if (repeated !== undefined)
    throw new WorkloadError(`network '${repeated.name}' is there twice: name one of them otherwise`);
  const variants = variantsOf(workload);
  check(workload);
  return { workload, variants, networks, radios };
}

/** Not what every object has: somebody may ask for a network called `constructor`. */
function own<T>(of: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(of, name) ? of[name] : undefined;
}

function networkOf(one: Workload['networks'][number], radios: Readonly<Record<string, RadioModel>>): Network {
  const known = `known are ${Object.keys(NETWORKS).join(', ')}`;
  if (typeof one === 'string') {
    const found = own(NETWORKS, one);
    if (found === undefined) throw new WorkloadError(`there is no network '${one}'; ${known}`);
    return found;
  }
  const { from, ...changes } = one;
  const base = own(NETWORKS, from);
  if (base === undefined)
    throw new WorkloadError(`network '${one.name}' is made from '${from}', which is none; ${known}`);
  const made = {
    ...base,
    title: `${base.title}, changed`,
    source: `from ${from}: ${base.source}`,
    ...changes,
  } as Network;
  if (own(radios, made.radio) === undefined)
    throw new WorkloadError(
      `network '${one.name}' has radio '${made.radio}', which is none; known are ${Object.keys(radios).join(', ')}`,
    );
  if (made.medium === '802.15.4' && made.ip !== 6)
    throw new WorkloadError(`network '${one.name}': 802.15.4 carries IPv6 (6LoWPAN), so set 'ip: 6'`);
  return made;
}

function variantsOf(w: Workload): Variant[] {
  const named =
    w.variants === 'all'
      ? [...VARIANTS]
      : w.variants.map((id) => {
          const found = VARIANTS.find((v) => v.id === id);
          if (found === undefined)
            throw new WorkloadError(
              `there is no variant '${id}'; 'waymeet lab list' shows those that there are`,
            );
          return found;
        });
  const fit = named.filter(
    (v) =>
      (w.qos === 'any' || v.qos === w.qos) &&
      (w.security === 'any' || (v.security !== 'none') === (w.security === 'some')),
  );
  if (fit.length === 0)
    throw new WorkloadError(
      `none of the ${named.length} variants has qos ${w.qos} and security '${w.security}': ask for other variants, such as 'variants: all'`,
    );
  return [...new Set(fit)];
}

/** What each field allows and all of them together do not. */
function check(w: Workload): void {
  if (w.devices > w.messages)
    throw new WorkloadError(
      `${w.devices} devices cannot share ${w.messages} messages: set 'messages' to ${w.devices} or more, or 'devices' lower`,
    );
  if (w.devices > 1 && !w.topic.includes('{device}') && w.direction !== 'down' && w.retained)
    throw new WorkloadError(
      `devices that retain on one topic overwrite each other: put '{device}' into 'topic'`,
    );
  if (/[+#\0]/.test(w.topic))
    throw new WorkloadError(`'topic: ${w.topic}' has a wildcard: messages are published to one topic`);
  if (w.payload.shape === 'json' && w.payload.bytes < 14)
    throw new WorkloadError(
      `a JSON payload has 14 octets or more, as {"n":00000001}: set 'payload.bytes' to 14 or more`,
    );
  const each = Math.ceil(w.messages / w.devices);
  if (w.rate > 0 && (each / w.rate) * 1_000 > MAX_CELL_MS)
    throw new WorkloadError(
      `${each} messages at ${w.rate} a second take more than a year: set 'rate' higher, or 'messages' lower`,
    );
  if (w.outage !== undefined && w.rate === 0)
    throw new WorkloadError(`an outage needs messages with a rate: set 'rate' above 0`);
  if (w.outage !== undefined && w.outage.after > each / w.rate)
    throw new WorkloadError(
      `the outage begins ${w.outage.after} s after the first message, and the last is sent after ${each / w.rate} s: set 'outage.after' lower`,
    );
  if (w.reconnectEvery > 0 && w.direction === 'down')
    throw new WorkloadError(
      `'reconnectEvery' is for devices that publish: set 'direction' to up or both, or 'reconnectEvery' to 0`,
    );
}

type Issue = z.core.$ZodIssue;

function sentenceOf(issue: Issue): string {
  const where = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const at = where === '' ? 'a workload' : `'${where}'`;
    return `${at} has no '${issue.keys[0]}'; known are ${knownKeys(issue.path).join(', ')}`;
  }
  return `'${where}' ${demandOf(issue)}`;
}

/** What would be right. */
function demandOf(issue: Issue): string {
  switch (issue.code) {
    case 'too_big':
      return `is ${issue.maximum}${SIZED[issue.origin] ?? ''} at most`;
    case 'too_small':
      return `is ${issue.minimum}${SIZED[issue.origin] ?? ''} at least`;
    case 'invalid_value':
      return `is one of ${issue.values.join(', ')}`;
    case 'invalid_type':
      return `is to be of type ${issue.expected}`;
    default:
      return issue.message;
  }
}

/** Of what a size is told in. */
const SIZED: Readonly<Record<string, string>> = { string: ' characters long', array: ' entries long' };

function knownKeys(path: readonly PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const step of path) {
    if (typeof step === 'number') at = network.extend({ name: z.string() });
    else at = unwrap((unwrap(at) as { shape?: Record<string, unknown> }).shape?.[String(step)]) ?? at;
  }
  return Object.keys((unwrap(at) as { shape?: Record<string, unknown> }).shape ?? {});
}

/** The object below defaults and the like. */
function unwrap(of: unknown): unknown {
  let at = of as { _zod?: { def?: { innerType?: unknown } } } | undefined;
  while (at?._zod?.def?.innerType !== undefined) at = at._zod.def.innerType as typeof at;
  return at;
}
