// mosquitto_pub and mosquitto_sub as judges.

import { expect } from 'vitest';
import { type Exit, run, Tool } from './tool.ts';

export const CLIENTS = ['mosquitto_pub', 'mosquitto_sub'];
export type MosquittoVersion = 'mqttv31' | 'mqttv311' | 'mqttv5';
export const MOSQUITTO_VERSIONS: readonly MosquittoVersion[] = ['mqttv31', 'mqttv311', 'mqttv5'];

/** Publishes; fails unless the tool is content. */
export async function pub(args: readonly string[], input?: string | Uint8Array): Promise<void> {
  const exit = await tryPub(args, input);
  expect(exit).toEqual({ code: 0, out: '', errors: '' });
}

export function tryPub(args: readonly string[], input?: string | Uint8Array): Promise<Exit> {
  return run(['mosquitto_pub', ...args], input);
}

/** A subscriber that is subscribed when this resolves; `messages` takes what it prints by its format. */
export async function sub(args: readonly string[], format = '%t %p'): Promise<Subscriber> {
  const tool = new Tool(['mosquitto_sub', '-d', '-F', `${MARK}${format}`, ...args]);
  const first = await tool.lines.find((line) => /^Subscribed|^(?:Connection )?[Ee]rror/.test(line));
  if (!first.startsWith('Subscribed')) throw new Error(first);
  return new Subscriber(tool);
}

const MARK = '>> ';

export class Subscriber {
  readonly tool: Tool;

  constructor(tool: Tool) {
    this.tool = tool;
  }

  /** The next message. */
  async next(): Promise<string> {
    return (await this.tool.lines.find((line) => line.startsWith(MARK))).slice(MARK.length);
  }

  async take(count: number): Promise<string[]> {
    const taken: string[] = [];
    while (taken.length < count) taken.push(await this.next());
    return taken;
  }
}
