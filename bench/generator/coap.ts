// CoAP over UDP: clients with one confirmable request each, observers of one changing value, and many endpoints that stay.

import { ownCpuNs, pause } from './flow.ts';
import type { Figure, Job } from './job.ts';
import { Latencies } from './latency.ts';
import { ProcessTree } from './process-tree.ts';
import { Datagrams } from './raw-udp.ts';

export interface CoapPlan {
  readonly does: 'get' | 'put' | 'put-retained' | 'observe' | 'endpoints';
  readonly clients: number;
  /** Changes a second of what is observed. */
  readonly changes: number;
}

const [GET, PUT] = [1, 3];
const [OBSERVE, URI_PATH, URI_QUERY] = [6, 11, 15];
const PAYLOAD = Buffer.alloc(64, 'x');
/** ACK_TIMEOUT [RFC7252-4.8]: servers that are late lose datagrams. */
const AGAIN_MS = 2_000;
const ANSWER_MS = 15_000;
const DRAIN_MS = 10_000;
const RAMP = 64;
const SETTLE_MS = 1_500;

/** One option of a request: number and text; empty numbers of options must ascend. */
type Option = readonly [number: number, value: string];

/** 4 octets of header, a token of 2, options, payload. */
function request(code: number, token: number, options: readonly Option[], payload: Uint8Array): Buffer {
  const parts: Uint8Array[] = [Buffer.from([0x42, code, 0, 0, token >> 8, token & 0xff])];
  let last = 0;
  for (const [number, value] of options) {
    parts.push(Buffer.from([((number - last) << 4) | value.length]), Buffer.from(value));
    last = number;
  }
  if (payload.length > 0) parts.push(Buffer.from([0xff]), payload);
  return Buffer.concat(parts);
}

function pathOf(topic: string): Option[] {
  return [
    [URI_PATH, 't'],
    [URI_PATH, topic],
  ];
}

/** An endpoint with a socket of its own and one request at a time. */
class CoapClient {
  readonly id: number;
  private readonly socket: Datagrams;
  private readonly acknowledgement = Buffer.from([0x60, 0, 0, 0]);
  private messageId: number;
  private answered: ((code: number, payload: Uint8Array) => void) | undefined;
  /** Called with the payload of each notification, after its acknowledgement. */
  notified: (payload: Uint8Array) => void = () => {};

  constructor(id: number, port: number) {
    this.id = id;
    this.messageId = id & 0xffff;
    this.socket = new Datagrams(port, (datagram) => this.take(datagram));
  }

  /** Sends, with a message id of its own; `answered` is called with the answer that belongs to it. */
  ask(datagram: Buffer, answered: (code: number, payload: Uint8Array) => void): void {
    this.messageId = (this.messageId + 1) & 0xffff;
    datagram[2] = this.messageId >> 8;
    datagram[3] = this.messageId & 0xff;
    this.answered = answered;
    this.socket.send(datagram);
  }

  /** As `ask`; asks again while there is no answer, as clients do. Rejects when there is none at all, or it is not of class 2. */
  asked(datagram: Buffer): Promise<Uint8Array> {
    return new Promise<Uint8Array>((resolve, reject) => {
      const again = setInterval(() => this.socket.send(datagram), AGAIN_MS);
      const late = setTimeout(() => {
        clearInterval(again);
        reject(new Error(`client ${this.id}: no answer in ${ANSWER_MS} ms`));
      }, ANSWER_MS);
      this.ask(datagram, (code, payload) => {
        clearInterval(again);
        clearTimeout(late);
        if (code >> 5 === 2) resolve(payload);
        else reject(new Error(`client ${this.id}: ${code >> 5}.${code & 31} ${payload}`));
      });
    });
  }

  private take(datagram: Buffer): void {
    const type = (datagram[0]! >> 4) & 3;
    const payload = payloadOf(datagram);
    const id = (datagram[2]! << 8) | datagram[3]!;
    if (type === 2 && id === this.messageId) {
      const { answered } = this;
      this.answered = undefined;
      answered?.(datagram[1]!, payload);
      return;
    }
    if (type > 1) return;
    if (type === 0) this.acknowledge(datagram);
    this.notified(payload);
  }

  private acknowledge(datagram: Buffer): void {
    const { acknowledgement } = this;
    acknowledgement[2] = datagram[2]!;
    acknowledgement[3] = datagram[3]!;
    this.socket.send(acknowledgement);
  }

  close(): void {
    this.socket.close();
  }
}

const NOTHING = Buffer.alloc(0);

/** What stands behind options and marker; servers answer with few options and short ones. */
function payloadOf(datagram: Buffer): Buffer {
  let at = 4 + (datagram[0]! & 15);
  while (at < datagram.length && datagram[at] !== 0xff) {
    const head = datagram[at++]!;
    const [delta, length] = [head >> 4, head & 15];
    at += delta === 13 ? 1 : delta === 14 ? 2 : 0;
    at += length === 13 ? datagram[at]! + 14 : length;
  }
  return at < datagram.length ? datagram.subarray(at + 1) : NOTHING;
}

/** Some at a time, so that no queue of the kernel overflows. */
async function inTurns(
  clients: readonly CoapClient[],
  act: (c: CoapClient) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < clients.length) await act(clients[next++]!);
  };
  await Promise.all(Array.from({ length: RAMP }, worker));
}

const topicOf = (id: number): string => `b${String(id).padStart(5, '0')}`;

function put(topic: string, payload: Uint8Array, retain: boolean): Buffer {
  const query: Option[] = retain ? [[URI_QUERY, 'retain=1']] : [];
  return request(PUT, 1, [...pathOf(topic), ...query], payload);
}

export async function runCoap(job: Job, plan: CoapPlan): Promise<readonly Figure[]> {
  const clients = Array.from({ length: plan.clients }, (_, id) => new CoapClient(id, job.port));
  const broker = new ProcessTree(job.pid);
  try {
    if (plan.does === 'observe') return await runObservers(job, plan, clients, broker);
    if (plan.does === 'endpoints') return await runEndpoints(clients, broker);
    return await runRequests(job, plan, clients, broker);
  } finally {
    for (const client of clients) client.close();
  }
}

/** Each client asks again as soon as it is answered; every answer is checked. */
async function runRequests(
  job: Job,
  { does }: CoapPlan,
  clients: readonly CoapClient[],
  broker: ProcessTree,
): Promise<readonly Figure[]> {
  await inTurns(clients, (c) => c.asked(put(topicOf(c.id), PAYLOAD, does !== 'put')));
  let answers = 0;
  let failure: string | undefined;
  let running = true;
  for (const client of clients) {
    const topic = topicOf(client.id);
    const datagram =
      does === 'get' ? request(GET, 2, pathOf(topic), NOTHING) : put(topic, PAYLOAD, does === 'put-retained');
    const next = (): void => client.ask(datagram, taken);
    const taken = (code: number, payload: Uint8Array): void => {
      const right = does === 'get' ? code === 0x45 && PAYLOAD.equals(payload) : code >> 5 === 2;
      if (!right)
        failure ??= `client ${client.id}: answer ${code >> 5}.${code & 31} of ${payload.length} octets`;
      answers++;
      if (running) next();
    };
    next();
  }
  const read = () => ({
    ns: Number(process.hrtime.bigint()),
    answers,
    broker: broker.cpuNs(),
    own: ownCpuNs(),
  });
  await pause(job.warmMs);
  const before = read();
  await pause(job.measureMs);
  const after = read();
  running = false;
  await pause(50);
  if (failure !== undefined) throw new Error(failure);
  const done = after.answers - before.answers;
  if (done === 0) throw new Error('nothing was answered while it was measured');
  return [
    { name: 'CPU/request', unit: 'us', value: (after.broker - before.broker) / 1_000 / done, better: 'less' },
    { name: 'requests', unit: '/s', value: (done / (after.ns - before.ns)) * 1e9, better: 'more' },
    { name: 'RSS', unit: 'MB', value: broker.memory().residentBytes / 1e6, better: 'less' },
    {
      name: 'generator/request',
      unit: 'us',
      value: (after.own - before.own) / 1_000 / done,
      better: 'neither',
    },
  ];
}

/** One client changes a value, evenly; all others observe it. Each change carries its number and the time that it left. */
async function runObservers(
  job: Job,
  plan: CoapPlan,
  clients: readonly CoapClient[],
  broker: ProcessTree,
): Promise<readonly Figure[]> {
  const [publisher, ...observers] = clients as [CoapClient, ...CoapClient[]];
  const value = Buffer.from(PAYLOAD);
  let changes = 0;
  const change = async (): Promise<void> => {
    value.writeUInt32LE(++changes, 0);
    value.writeDoubleLE(performance.now(), 8);
    await publisher.asked(put('value', value, true));
  };
  await change();
  const latest = new Uint32Array(observers.length);
  const latencies = new Latencies();
  let heard = 0;
  await inTurns(observers, async (c) => {
    const i = c.id - 1;
    c.notified = (payload) => {
      const buffer = payload as Buffer;
      const number = buffer.readUInt32LE(0);
      heard++;
      if (number <= latest[i]!) return;
      latest[i] = number;
      latencies.add(performance.now() - buffer.readDoubleLE(8));
    };
    await c.asked(request(GET, 3, [[OBSERVE, ''], ...pathOf('value')], NOTHING));
  });
  const countIn = (ms: number) => Math.round((plan.changes * ms) / 1_000);
  const changeFor = async (ms: number): Promise<void> => {
    const began = performance.now();
    for (let n = 1; n <= countIn(ms); n++) {
      await pause(Math.max(0, began + (n * 1_000) / plan.changes - performance.now()));
      await change();
    }
  };
  await changeFor(job.warmMs);
  // The observers of the last change before it is measured are not all there yet.
  await pause(1_000 / plan.changes);
  const before = { broker: broker.cpuNs(), own: ownCpuNs(), heard };
  latencies.clear();
  await changeFor(job.measureMs);
  const count = countIn(job.measureMs);
  const until = performance.now() + DRAIN_MS;
  const missing = () => latest.reduce((sum, n) => sum + (n === changes ? 0 : 1), 0);
  while (missing() > 0 && performance.now() < until) await pause(5);
  const after = { broker: broker.cpuNs(), own: ownCpuNs() };
  const arrived = heard - before.heard;
  const final = (1 - missing() / observers.length) * 100;
  return [
    { name: 'final values', unit: '%', value: final, better: 'more' },
    { name: 'p50', unit: 'us', value: latencies.percentile(0.5), better: 'less' },
    { name: 'p99', unit: 'us', value: latencies.percentile(0.99), better: 'less' },
    {
      name: 'CPU/notification',
      unit: 'us',
      value: (after.broker - before.broker) / 1_000 / arrived,
      better: 'less',
    },
    { name: 'delivered', unit: '%', value: (arrived / (count * observers.length)) * 100, better: 'more' },
    {
      name: 'generator/notification',
      unit: 'us',
      value: (after.own - before.own) / 1_000 / arrived,
      better: 'neither',
    },
  ];
}

/** Each endpoint publishes and reads; then the server's memory is looked at, while it knows them all. */
async function runEndpoints(clients: readonly CoapClient[], broker: ProcessTree): Promise<readonly Figure[]> {
  const emptyBytes = broker.memory().residentBytes;
  const before = broker.cpuNs();
  await inTurns(clients, async (c) => {
    await c.asked(put(topicOf(c.id), PAYLOAD, true));
    await c.asked(request(GET, 2, pathOf(topicOf(c.id)), NOTHING));
  });
  const cpuNs = broker.cpuNs() - before;
  await pause(SETTLE_MS);
  const { residentBytes } = broker.memory();
  const each = (residentBytes - emptyBytes) / clients.length;
  return [
    { name: `RSS, ${clients.length} endpoints`, unit: 'MB', value: residentBytes / 1e6, better: 'less' },
    { name: 'RSS/endpoint', unit: 'kB', value: each / 1_000, better: 'less' },
    { name: 'CPU/endpoint', unit: 'us', value: cpuNs / 1_000 / clients.length, better: 'less' },
  ];
}
