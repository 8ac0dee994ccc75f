// What a URL's query may say of MQTT-SN: `mqttsn://host?predefined=1:room/heat,2:room/lamp&sleep=60`.

/** Ids that the gateway knows beforehand, by id. */
export type PredefinedTopics = ReadonlyMap<number, string>;

export interface SnSettings {
  readonly predefined: PredefinedTopics;
  /** How long the client sleeps at a time; 0: it stays awake. */
  readonly sleepMs: number;
  /** QoS −1 needs no connection. */
  readonly connects: boolean;
}

const LARGEST_ID = 0xfffe;
const MAX_SECONDS = 0xffff;

/** Text says what is wrong. `known`: what the caller says besides. */
export function settingsOf(
  said: Readonly<Record<string, string>>,
  known: PredefinedTopics = new Map(),
): SnSettings | string {
  const { predefined = '', sleep = '0', connect = 'true' } = said;
  const topics = predefined === '' ? new Map<number, string>() : topicsOf(predefined);
  if (topics === undefined) return `predefined is '${predefined}', and not like 1:room/heat,2:room/lamp`;
  if (!/^\d{1,5}$/.test(sleep) || Number(sleep) > MAX_SECONDS)
    return `sleep is '${sleep}', and not a number of seconds up to ${MAX_SECONDS}`;
  if (connect !== 'true' && connect !== 'false') return `connect is '${connect}', and neither true nor false`;
  return {
    predefined: new Map([...known, ...topics]),
    sleepMs: Number(sleep) * 1_000,
    connects: connect === 'true',
  };
}

/** A comma inside a topic is written %2C (in a URL %252C). */
function topicsOf(text: string): Map<number, string> | undefined {
  const topics = new Map<number, string>();
  for (const pair of text.split(',')) {
    const [, digits, name] = /^(\d{1,5}):(.+)$/s.exec(pair) ?? [];
    const id = Number(digits);
    const topic = name === undefined ? undefined : unescaped(name);
    if (topic === undefined || id === 0 || id > LARGEST_ID) return undefined;
    topics.set(id, topic);
  }
  return topics;
}

function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // a percent sign that escapes nothing
  }
}
