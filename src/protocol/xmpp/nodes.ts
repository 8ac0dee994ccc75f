// Nodes that were created or configured: what their owners said of them. Any other topic is a node too, with the defaults.

import type { Access } from '../../contract/hub.ts';
import { StanzaFault } from './fault.ts';
import { type Field, isTrue } from './forms.ts';

export const NODE_CONFIG = 'http://jabber.org/protocol/pubsub#node_config';

export interface NodeConfig {
  /** The bare address of who created it; empty: nobody did. */
  readonly owner: string;
  readonly title: string;
  readonly description: string;
  /** The last item is kept, as the topic's retained message. */
  readonly persist: boolean;
  /** Who subscribes gets it. */
  readonly sendLast: boolean;
  /** How long an item is worth anything, ms; 0: for ever. */
  readonly expireMs: number;
}

const DEFAULT: NodeConfig = {
  owner: '',
  title: '',
  description: '',
  persist: true,
  sendLast: true,
  expireMs: 0,
};

const NOTE = 'node ';
/** So many nodes may be configured on one hub. */
const MAX_NODES = 100_000;
const MAX_TEXT = 1_024;

export class Nodes {
  private readonly configs = new Map<string, NodeConfig>();

  constructor(notes: Iterable<readonly [name: string, text: string]>) {
    for (const [name, text] of notes)
      if (name.startsWith(NOTE))
        this.configs.set(name.slice(NOTE.length), { ...DEFAULT, ...JSON.parse(text) });
  }

  get(topic: string): NodeConfig | undefined {
    return this.configs.get(topic);
  }

  configOf(topic: string): NodeConfig {
    return this.configs.get(topic) ?? DEFAULT;
  }

  all(): Iterable<readonly [topic: string, config: NodeConfig]> {
    return this.configs;
  }

  /** Keeps a configuration in the store too; undefined forgets it. Throws StanzaFault. */
  put(access: Access, topic: string, config: NodeConfig | undefined): void {
    if (config !== undefined && !this.configs.has(topic) && this.configs.size >= MAX_NODES)
      throw new StanzaFault('resource-constraint', 'too many nodes are configured');
    const outcome = access.note(NOTE + topic, config === undefined ? undefined : JSON.stringify(config));
    if (outcome !== 'ok') throw new StanzaFault('resource-constraint', 'the configuration cannot be kept');
    if (config === undefined) this.configs.delete(topic);
    else this.configs.set(topic, config);
  }
}

/** What a form changes about a configuration. Throws StanzaFault for what a topic cannot be. */
export function configured(before: NodeConfig, fields: ReadonlyMap<string, readonly string[]>): NodeConfig {
  const config = { ...before };
  for (const [name, [value]] of fields) {
    if (value === undefined) continue;
    switch (name) {
      case 'pubsub#title':
        config.title = value.slice(0, MAX_TEXT);
        break;
      case 'pubsub#description':
        config.description = value.slice(0, MAX_TEXT);
        break;
      case 'pubsub#persist_items':
        config.persist = isTrue(value);
        break;
      case 'pubsub#send_last_published_item':
        config.sendLast = value !== 'never';
        break;
      case 'pubsub#item_expire':
        config.expireMs = secondsOf(value);
        break;
      default:
        only(name, value);
    }
  }
  return config;
}

function secondsOf(value: string): number {
  if (value === 'max' || value === '') return 0;
  if (!/^\d{1,9}$/.test(value))
    throw new StanzaFault('not-acceptable', 'pubsub#item_expire is no number of seconds');
  return Number(value) * 1_000;
}

/** What is the same for every node, by field: the values that may be asked for. Fields that are not here change nothing. */
const FIXED: Readonly<Record<string, readonly string[]>> = {
  'pubsub#access_model': ['open'],
  'pubsub#publish_model': ['open', 'publishers'],
  'pubsub#deliver_payloads': ['1', 'true'],
  'pubsub#deliver_notifications': ['1', 'true'],
  'pubsub#presence_based_delivery': ['0', 'false'],
  'pubsub#subscribe': ['1', 'true'],
  'pubsub#node_type': ['leaf'],
  'pubsub#notification_type': ['headline'],
};

function only(name: string, value: string): void {
  const allowed = Object.hasOwn(FIXED, name) ? FIXED[name]! : undefined;
  if (allowed === undefined || allowed.includes(value)) return;
  const why = name.endsWith('_model') ? ': who may do what is said by the rules of the hub' : '';
  throw new StanzaFault('not-acceptable', `${name} is always ${allowed[0]}${why}`);
}

/** Whether what a publisher expects of a node holds. [XEP-0060-7.1.5] */
export function meets(config: NodeConfig, fields: ReadonlyMap<string, readonly string[]>): boolean {
  for (const [name, [value]] of fields) {
    if (value === undefined) continue;
    if (name === 'pubsub#persist_items' || name === 'pubsub#item_expire') continue; // they are about the item
    const allowed = Object.hasOwn(FIXED, name) ? FIXED[name] : undefined;
    if (allowed !== undefined && !allowed.includes(value)) return false;
    if (name === 'pubsub#send_last_published_item' && (value !== 'never') !== config.sendLast) return false;
  }
  return true;
}

/** A configuration as the fields of a form. */
export function configFields(config: NodeConfig): Field[] {
  const flag = (on: boolean): string[] => [on ? '1' : '0'];
  return [
    { name: 'pubsub#title', type: 'text-single', values: [config.title], label: 'Title' },
    { name: 'pubsub#description', type: 'text-single', values: [config.description], label: 'Description' },
    {
      name: 'pubsub#persist_items',
      type: 'boolean',
      values: flag(config.persist),
      label: 'Keep the last item (retained)',
    },
    { name: 'pubsub#max_items', type: 'text-single', values: ['1'], label: 'Items kept' },
    {
      name: 'pubsub#item_expire',
      type: 'text-single',
      values: [String(config.expireMs / 1_000)],
      label: 'Seconds until an item expires; 0: never',
    },
    {
      name: 'pubsub#send_last_published_item',
      type: 'list-single',
      values: [config.sendLast ? 'on_sub' : 'never'],
      label: 'When the last item is sent',
      options: ['never', 'on_sub'],
    },
    { name: 'pubsub#access_model', type: 'list-single', values: ['open'], options: ['open'] },
    { name: 'pubsub#publish_model', type: 'list-single', values: ['open'], options: ['open'] },
    { name: 'pubsub#deliver_payloads', type: 'boolean', values: ['1'] },
    { name: 'pubsub#notification_type', type: 'list-single', values: ['headline'], options: ['headline'] },
  ];
}
