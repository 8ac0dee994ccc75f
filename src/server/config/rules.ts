// What one field cannot know: rules between settings, and the refusal to be open to a network by accident.

import { ruleFault } from '../../auth/acl.ts';
import { SHARED_ALGORITHMS } from '../../auth/algorithms.ts';
import { secretFault } from '../../auth/token.ts';
import { aclOf } from './acl.ts';
import {
  asksElsewhere,
  engineOf,
  isDatagram,
  isLoopback,
  isSecure,
  type PlannedListener,
  plan,
  SPOKEN,
} from './listeners.ts';
import type { Config, ListenerConfig } from './schema.ts';
import type { Path } from './source.ts';

export interface Found {
  /** The setting that is wrong. */
  readonly at: Path;
  readonly text: string;
}

/** Everything that is wrong with a configuration whose fields are all right by themselves. */
export function rules(config: Config): Found[] {
  const listeners = plan(config);
  return [
    ...(config.listeners === undefined
      ? []
      : listeners.flatMap((l, i) => ofListener(l, config.listeners![i]!, i))),
    ...ofDoors(config, listeners),
    ...twice(listeners),
    ...ofAuth(config, listeners),
    ...ofTls(config),
    ...ofRevocation(listeners),
    ...ofWeb(config),
  ];
}

function ofListener(l: PlannedListener, written: ListenerConfig, index: number): Found[] {
  const found: Found[] = [];
  const at = (...steps: string[]): Path => ['listeners', index, ...steps];
  if (l.type === 'unix' && written.path === undefined) {
    found.push({ at: at(), text: "is a unix socket without 'path': write path: ./waymeet.sock" });
  }
  if (l.type === 'unix' && written.port !== undefined) {
    found.push({ at: at('port'), text: 'means nothing for a unix socket: leave it out' });
  }
  if (l.type !== 'unix' && written.port === undefined) {
    found.push({ at: at(), text: `has no 'port': write port: ${USUAL_PORTS[l.type]}` });
  }
  if (l.type !== 'unix' && written.path !== undefined) {
    const text = `belongs to type: unix, not to ${l.type}; the paths of WebSockets are web.mqtt and web.json`;
    found.push({ at: at('path'), text });
  }
  if (l.proxy && isDatagram(l.type))
    found.push({ at: at('proxy'), text: `is for streams, not for ${l.type}: leave it out` });
  if (isDatagram(l.type) && l.protocols.length > 1) {
    const text = `a ${l.type} listener speaks one protocol: make another listener for ${l.protocols.slice(1).join(', ')}`;
    found.push({ at: at('protocols'), text });
  }
  for (const protocol of l.protocols) {
    if (SPOKEN[l.type].includes(protocol)) continue;
    const fits = Object.entries(SPOKEN).flatMap(([type, spoken]) =>
      spoken.includes(protocol) ? [type] : [],
    );
    const text = `${protocol} cannot be spoken over ${l.type}: write type: ${fits.join(' or ')}`;
    found.push({ at: at('protocols'), text });
  }
  // Nothing that speaks HTTPS offers pre-shared keys.
  if (isSecure(l.type) && l.tls.cert === undefined && (l.type === 'wss' || l.tls.psk === undefined)) {
    found.push({
      at: at(),
      text: `is ${l.type} without a certificate: write tls: {cert: ./cert.pem, key: ./key.pem}`,
    });
  }
  return found;
}

const USUAL_PORTS = { tcp: 1883, tls: 8883, ws: 8080, wss: 8443, udp: 5683, dtls: 5684 };

/** Listeners that a network can reach and that ask nobody who they are. */
function ofDoors(config: Config, listeners: readonly PlannedListener[]): Found[] {
  const open = listeners.flatMap((l, index) => {
    const outside = l.hosts.filter((host) => !isLoopback(host));
    if (outside.length === 0 || l.engine === 'file' || l.anonymous || provesInTls(l)) return [];
    return [{ l, index, outside: outside.join(', ') }];
  });
  const first = open[0];
  if (first === undefined) return [];
  if (config.listeners === undefined)
    return [{ at: ['host'], text: openDoor(`everybody who reaches ${first.outside}`) }];
  return open.map(({ l, index, outside }) => ({
    at: ['listeners', index, ...(config.listeners![index]!.host === undefined ? [] : ['host'])],
    text: openDoor(`everybody who reaches '${l.name}' on ${outside}`),
  }));
}

/** Nobody completes a handshake without a certificate or a key. */
function provesInTls({ type, tls }: PlannedListener): boolean {
  return isSecure(type) && (tls.requireCert || (tls.cert === undefined && tls.psk !== undefined));
}

function openDoor(everybody: string): string {
  return [
    `would let ${everybody} publish and subscribe. Write either`,
    '    auth:',
    '      users: ./waymeet-users   # then: waymeet user add NAME --users ./waymeet-users',
    '  or, if that is what you want,',
    '    anonymous: true            # or start with --anonymous',
  ].join('\n');
}

function twice(listeners: readonly PlannedListener[]): Found[] {
  const found: Found[] = [];
  const names = new Set<string>();
  const places = new Map<string, string>();
  for (const [i, l] of listeners.entries()) {
    if (names.has(l.name))
      found.push({ at: ['listeners', i, 'name'], text: `'${l.name}' is the name of an earlier listener` });
    names.add(l.name);
    for (const host of l.port === 0 ? [] : l.hosts) {
      const place = `${isDatagram(l.type) ? 'udp' : 'tcp'} ${host}:${l.port}`;
      const other = places.get(place);
      if (other !== undefined) {
        found.push({
          at: ['listeners', i, 'port'],
          text: `listener '${other}' has port ${l.port} of ${host} already`,
        });
      }
      places.set(place, l.name);
    }
  }
  return found;
}

function ofAuth(config: Config, listeners: readonly PlannedListener[]): Found[] {
  const blocks: [Path, Config['auth'], readonly PlannedListener[]][] = [
    [['auth'], config.auth, listeners.filter((l) => l.auth === config.auth)],
  ];
  for (const [i, l] of (config.listeners ?? []).entries())
    if (l.auth) blocks.push([['listeners', i, 'auth'], l.auth, [listeners[i]!]]);
  return blocks.flatMap(([at, auth, used]) => {
    const found = [...ofRules(at, auth), ...ofTokens(at, auth)];
    if (auth.users !== undefined || asksElsewhere(auth)) return found;
    const file = engineOf(auth) === 'file';
    // Certificates, keys and nobody in particular need no users file.
    const others = used.some((l) => l.anonymous || l.tls.psk !== undefined || l.tls.certificateIsUser);
    if (file && !others) {
      found.push({ at, text: 'asks for a users file and names none: write users: ./waymeet-users' });
    }
    if (!file && (auth.acl !== undefined || auth.rules !== undefined)) {
      const fix =
        "write users: ./waymeet-users, or engine: file where certificates, keys or 'anonymous' let in";
      found.push({ at, text: `has rules, and everybody may do everything: ${fix}` });
    }
    return found;
  });
}

function ofRules(at: Path, auth: Config['auth']): Found[] {
  return (auth.rules ?? []).flatMap((rule, i): Found[] => {
    const here = [...at, 'rules', i];
    if ((rule.allow === undefined) === (rule.deny === undefined)) {
      return [{ at: here, text: "says either 'allow' or 'deny': publish, subscribe or both" }];
    }
    const written = aclOf({ ...auth, rules: [rule] })!.rules[0]!;
    const fault = ruleFault(written, auth.groups, asksElsewhere(auth));
    return fault === undefined ? [] : [{ at: here, text: fault }];
  });
}

function ofTokens(at: Path, { jwt }: Config['auth']): Found[] {
  const found: Found[] = [];
  const here = (key: string): Path => [...at, 'jwt', key];
  const shared = jwt.secret !== undefined || jwt.secretFile !== undefined;
  const open = jwt.key !== undefined || jwt.jwks !== undefined;
  if (jwt.secret !== undefined && jwt.secretFile !== undefined)
    found.push({ at: here('secretFile'), text: "is a second secret beside 'secret': leave one of them out" });
  const fault = jwt.secret === undefined ? undefined : secretFault(jwt.secret);
  if (fault !== undefined) found.push({ at: here('secret'), text: fault });
  for (const name of jwt.algorithms ?? []) {
    const fits = SHARED_ALGORITHMS.includes(name) ? shared : open;
    if (fits) continue;
    const lacking = SHARED_ALGORITHMS.includes(name) ? "'secret' or 'secretFile'" : "'jwks' or 'key'";
    found.push({ at: here('algorithms'), text: `${name} needs ${lacking}, and there is none` });
  }
  if (!shared && !open && (jwt.issuer !== undefined || jwt.audience !== undefined))
    found.push({
      at: here('issuer'),
      text: "has no key to check tokens with: write 'jwks', 'key', 'secret' or 'secretFile'",
    });
  return found;
}

function ofTls(config: Config): Found[] {
  const blocks: [Path, Config['tls']][] = [[['tls'], config.tls]];
  for (const [i, l] of (config.listeners ?? []).entries())
    if (l.tls) blocks.push([['listeners', i, 'tls'], l.tls]);
  return blocks.flatMap(([at, tls]) => {
    const found: Found[] = [];
    if ((tls.cert === undefined) !== (tls.key === undefined)) {
      const lacking = tls.cert === undefined ? 'cert' : 'key';
      found.push({ at, text: `has no '${lacking}': a certificate needs both cert and key` });
    }
    if (tls.crl !== undefined && tls.ca === undefined) {
      found.push({ at: [...at, 'crl'], text: "needs 'ca': the authorities whose lists these are" });
    }
    if (tls.requireCert && tls.ca === undefined) {
      found.push({ at: [...at, 'requireCert'], text: "needs 'ca': the authorities that vouch for clients" });
    }
    return found;
  });
}

/** What is not looked at must not seem to be. */
function ofRevocation(listeners: readonly PlannedListener[]): Found[] {
  const deaf = listeners.find(
    ({ type, tls }) => type === 'dtls' && tls.crl !== undefined && tls.cert !== undefined,
  );
  if (deaf === undefined) return [];
  const text = `is not looked at over DTLS: give the listener '${deaf.name}' a tls of its own, or switch it off`;
  return [{ at: ['tls', 'crl'], text }];
}

function ofWeb(config: Config): Found[] {
  const found: Found[] = [];
  for (const key of ['mqtt', 'json', 'coap', 'stomp', 'xmpp'] as const) {
    if (!config.web[key].startsWith('/'))
      found.push({ at: ['web', key], text: `must start with '/': write /${config.web[key]}` });
  }
  if (config.web.mqtt === config.web.json)
    found.push({ at: ['web', 'json'], text: 'must differ from web.mqtt' });
  if (config.web.coap === config.web.mqtt || config.web.coap === config.web.json)
    found.push({ at: ['web', 'coap'], text: 'must differ from web.mqtt and web.json' });
  return found;
}
