// What the lab compares: one way each of using a protocol, with its guarantee, its security and what carries it.

import type { Qos } from '../contract/message.ts';
import type { Speech } from '../contract/speaker.ts';
import type { Protocol } from '../contract/wire.ts';

export type Security = 'none' | 'tls' | 'dtls';
export type Family = 'mqtt' | 'mqttsn' | 'coap' | 'websocket' | 'http' | 'amqp' | 'stomp' | 'xmpp';

/** Both sides of a protocol, loaded when a run needs them. */
export interface Sides {
  readonly speech: Speech;
  /** How subscribers speak, where it is not the same. */
  readonly listener?: Speech;
  readonly protocol: Protocol;
}

export interface Variant {
  readonly id: string;
  readonly title: string;
  readonly family: Family;
  /** The guarantee that it is run with: at most, at least, exactly once. */
  readonly qos: Qos;
  readonly transport: 'tcp' | 'udp';
  readonly security: Security;
  /** Over WebSocket: the path that is asked for. */
  readonly webSocketPath?: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Publishes as last values, because its subscribers ask for those. */
  readonly retains?: boolean;
  /** What the protocol calls its guarantee. */
  readonly guarantee: string;
  /** `topics`: what will be published to, for protocols that may know topics beforehand. */
  load(topics: readonly string[]): Promise<Sides>;
}

const mqttSides = async (): Promise<Sides> => {
  const [{ mqtt: speech }, { mqtt }] = await Promise.all([
    import('../protocol/mqtt/client.ts'),
    import('../protocol/mqtt/protocol.ts'),
  ]);
  return { speech, protocol: mqtt() };
};

const coapSides = (name: 'coap' | 'coap+tcp' | 'coap+ws') => async (): Promise<Sides> => {
  const [client, server] = await Promise.all([
    import('../protocol/coap/client.ts'),
    import('../protocol/coap/protocol.ts'),
  ]);
  if (name === 'coap') return { speech: client.coapSpeech, protocol: server.coap() };
  if (name === 'coap+tcp') return { speech: client.coapStreamSpeech, protocol: server.coapStream() };
  return { speech: client.coapMessageSpeech, protocol: server.coapMessages() };
};

function mqttVariants(): Variant[] {
  const variants: Variant[] = [];
  for (const [version, short, title] of [
    ['3.1.1', 'mqtt311', 'MQTT 3.1.1'],
    ['5', 'mqtt5', 'MQTT 5'],
  ] as const) {
    for (const qos of [0, 1, 2] as const) {
      const base = {
        family: 'mqtt' as const,
        qos,
        transport: 'tcp' as const,
        settings: { version },
        guarantee: `QoS ${qos}`,
        load: mqttSides,
      };
      variants.push(
        { ...base, id: `${short}-qos${qos}`, title: `${title} QoS ${qos}`, security: 'none' },
        { ...base, id: `${short}-qos${qos}-tls`, title: `${title} QoS ${qos}, TLS`, security: 'tls' },
        {
          ...base,
          id: `${short}-qos${qos}-ws`,
          title: `${title} QoS ${qos}, WebSocket`,
          security: 'none',
          webSocketPath: '/mqtt',
        },
        {
          ...base,
          id: `${short}-qos${qos}-wss`,
          title: `${title} QoS ${qos}, WebSocket and TLS`,
          security: 'tls',
          webSocketPath: '/mqtt',
        },
      );
    }
  }
  return variants;
}

function coapVariants(): Variant[] {
  const variants: Variant[] = [];
  for (const [short, title, qos, guarantee] of [
    ['coap-non', 'CoAP NON', 0, 'non-confirmable'],
    ['coap-con', 'CoAP CON', 1, 'confirmable'],
  ] as const) {
    const base = {
      family: 'coap' as const,
      qos,
      transport: 'udp' as const,
      settings: {},
      guarantee,
      load: coapSides('coap'),
    };
    variants.push(
      { ...base, id: short, title, security: 'none' },
      { ...base, id: `${short}-dtls`, title: `${title}, DTLS`, security: 'dtls' },
    );
  }
  for (const everySeconds of [10, 60]) {
    variants.push({
      id: `coap-poll${everySeconds}`,
      title: `CoAP, asked every ${everySeconds} s`,
      family: 'coap',
      qos: 1,
      transport: 'udp',
      security: 'none',
      settings: {},
      retains: true,
      guarantee: 'the newest value, when asked',
      load: async () => {
        const sides = await coapSides('coap')();
        const { pollingSpeech } = await import('./poll.ts');
        return { ...sides, listener: pollingSpeech(everySeconds * 1_000) };
      },
    });
  }
  const stream = { family: 'coap' as const, qos: 1 as const, transport: 'tcp' as const, settings: {} };
  variants.push(
    {
      ...stream,
      id: 'coap-tcp',
      title: 'CoAP over TCP',
      security: 'none',
      guarantee: 'answered',
      load: coapSides('coap+tcp'),
    },
    {
      ...stream,
      id: 'coap-tcp-tls',
      title: 'CoAP over TLS',
      security: 'tls',
      guarantee: 'answered',
      load: coapSides('coap+tcp'),
    },
    {
      ...stream,
      id: 'coap-ws',
      title: 'CoAP over WebSocket',
      security: 'none',
      guarantee: 'answered',
      webSocketPath: '/.well-known/coap',
      load: coapSides('coap+ws'),
    },
    {
      ...stream,
      id: 'coap-wss',
      title: 'CoAP over WebSocket and TLS',
      security: 'tls',
      guarantee: 'answered',
      webSocketPath: '/.well-known/coap',
      load: coapSides('coap+ws'),
    },
  );
  return variants;
}

function mqttsnVariants(): Variant[] {
  const variants: Variant[] = [];
  const rooms = () =>
    Promise.all([import('../protocol/mqttsn/client.ts'), import('../protocol/mqttsn/protocol.ts')]);
  const base = { family: 'mqttsn' as const, transport: 'udp' as const, settings: {} };
  variants.push({
    ...base,
    id: 'mqttsn-qos-1',
    title: 'MQTT-SN QoS −1',
    qos: 0,
    security: 'none',
    guarantee: 'QoS −1: no connection',
    load: async (topics) => {
      const [client, server] = await rooms();
      const predefined = new Map(topics.map((topic, i) => [i + 1, topic]));
      return {
        speech: client.mqttsnTeller({ predefined }),
        listener: client.mqttsnSpeech({ predefined }),
        protocol: server.mqttsn({ predefined }),
      };
    },
  });
  for (const qos of [0, 1, 2] as const) {
    const one = {
      ...base,
      qos,
      guarantee: `QoS ${qos}`,
      load: async () => {
        const [client, server] = await rooms();
        return { speech: client.mqttsnSpeech(), protocol: server.mqttsn() };
      },
    };
    variants.push(
      { ...one, id: `mqttsn-qos${qos}`, title: `MQTT-SN QoS ${qos}`, security: 'none' },
      { ...one, id: `mqttsn-qos${qos}-dtls`, title: `MQTT-SN QoS ${qos}, DTLS`, security: 'dtls' },
    );
  }
  return variants;
}

function webSocketVariants(): Variant[] {
  const variants: Variant[] = [];
  for (const [form, name] of [
    ['json', 'JSON'],
    ['cbor', 'CBOR'],
  ] as const) {
    for (const qos of [0, 1] as const) {
      const base = {
        family: 'websocket' as const,
        qos,
        transport: 'tcp' as const,
        webSocketPath: '/waymeet',
        settings: {},
        guarantee: `QoS ${qos}`,
        load: async () => {
          const [client, server] = await Promise.all([
            import('../protocol/websocket/client.ts'),
            import('../protocol/websocket/protocol.ts'),
          ]);
          const speech = form === 'json' ? client.WAYMEET_JSON : client.WAYMEET_CBOR;
          return { speech, protocol: server.waymeetJson() };
        },
      };
      const id = `ws-${form}-qos${qos}`;
      variants.push(
        { ...base, id, title: `WebSocket ${name} QoS ${qos}`, security: 'none' },
        { ...base, id: `${id}-tls`, title: `WebSocket ${name} QoS ${qos}, TLS`, security: 'tls' },
      );
    }
  }
  return variants;
}

function httpVariants(): Variant[] {
  const variants: Variant[] = [];
  for (const [id, title, connection] of [
    ['http', 'HTTP/1.1, kept alive', 'keep-alive'],
    ['http-close', 'HTTP/1.1, a connection each', 'close'],
  ] as const) {
    const base = {
      family: 'http' as const,
      qos: 1 as const,
      transport: 'tcp' as const,
      settings: { connection },
      guarantee: 'answered; down: server-sent events',
      load: async () => {
        const [{ HTTP }, { httpStream }, { jsonWords }] = await Promise.all([
          import('../client/http.ts'),
          import('../protocol/http/stream-peer.ts'),
          import('../admin/json.ts'),
        ]);
        return { speech: HTTP, protocol: httpStream(jsonWords) };
      },
    };
    variants.push(
      { ...base, id, title, security: 'none' },
      { ...base, id: `${id}-tls`, title: `${title}, TLS`, security: 'tls' },
    );
  }
  return variants;
}

const SETTLED = ['settled when sent', 'settled by the receiver', 'settled in two steps'] as const;

function amqpVariants(): Variant[] {
  const variants: Variant[] = [];
  for (const qos of [0, 1, 2] as const) {
    const base = {
      family: 'amqp' as const,
      qos,
      transport: 'tcp' as const,
      settings: {},
      guarantee: SETTLED[qos],
      load: async () => {
        const [{ amqp1Speech }, { amqp1 }] = await Promise.all([
          import('../protocol/amqp1/client.ts'),
          import('../protocol/amqp1/protocol.ts'),
        ]);
        return { speech: amqp1Speech, protocol: amqp1() };
      },
    };
    const title = `AMQP 1.0, ${base.guarantee}`;
    variants.push(
      { ...base, id: `amqp1-qos${qos}`, title, security: 'none' },
      { ...base, id: `amqp1-qos${qos}-tls`, title: `${title}, TLS`, security: 'tls' },
    );
  }
  return variants;
}

function xmppVariants(): Variant[] {
  const base = {
    family: 'xmpp' as const,
    qos: 1 as const,
    transport: 'tcp' as const,
    settings: {},
    guarantee: 'answered; stream management',
    load: async () => {
      const [{ xmppSpeech }, { xmpp }] = await Promise.all([
        import('../protocol/xmpp/client.ts'),
        import('../protocol/xmpp/protocol.ts'),
      ]);
      return { speech: xmppSpeech, protocol: xmpp() };
    },
  };
  return [
    { ...base, id: 'xmpp', title: 'XMPP pubsub', security: 'none' },
    { ...base, id: 'xmpp-tls', title: 'XMPP pubsub, TLS', security: 'tls' },
  ];
}

function stompVariants(): Variant[] {
  const variants: Variant[] = [];
  for (const qos of [0, 1] as const) {
    const base = {
      family: 'stomp' as const,
      qos,
      transport: 'tcp' as const,
      settings: {},
      guarantee: qos === 0 ? 'no receipts' : 'receipts and ACK',
      load: async () => {
        const [{ stompSpeech: speech }, { stomp }] = await Promise.all([
          import('../protocol/stomp/client.ts'),
          import('../protocol/stomp/protocol.ts'),
        ]);
        return { speech, protocol: stomp() };
      },
    };
    const title = `STOMP 1.2, ${base.guarantee}`;
    variants.push(
      { ...base, id: `stomp-qos${qos}`, title, security: 'none' },
      { ...base, id: `stomp-qos${qos}-tls`, title: `${title}, TLS`, security: 'tls' },
    );
  }
  return variants;
}

export const VARIANTS: readonly Variant[] = [
  ...mqttVariants(),
  ...mqttsnVariants(),
  ...coapVariants(),
  ...webSocketVariants(),
  ...httpVariants(),
  ...amqpVariants(),
  ...stompVariants(),
  ...xmppVariants(),
];

/** What a run takes when nobody says. */
export const DEFAULT_VARIANTS = [
  'mqtt311-qos0',
  'mqtt5-qos0',
  'mqtt5-qos1',
  'mqtt5-qos2',
  'mqtt5-qos1-tls',
  'mqttsn-qos0',
  'mqttsn-qos1',
  'coap-non',
  'coap-con',
  'coap-con-dtls',
  'ws-json-qos0',
  'http',
] as const;

export function variantOf(id: string): Variant | undefined {
  return VARIANTS.find((v) => v.id === id);
}
