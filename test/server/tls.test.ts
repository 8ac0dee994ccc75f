// TLS through the whole server, judged by clients that others wrote: certificates, keys, names, reload.

import { connect } from 'node:tls';
import { afterAll, describe, expect, test } from 'vitest';
import { Authority } from '../transport/certificates.ts';
import { folder, installed, OFF, run, start } from './running.ts';

const authority = new Authority();
const strangers = new Authority('Another CA');
const localhost = authority.issue('localhost');
const other = authority.issue('other.example', ['other.example', '*.sites.example']);
const device = authority.issue('device-7');
const stranger = strangers.issue('device-7');
afterAll(() => {
  authority.remove();
  strangers.remove();
});

function files() {
  const at = folder();
  return {
    at,
    cert: at.write('cert.pem', localhost.cert),
    key: at.write('key.pem', localhost.key),
    ca: at.write('ca.pem', authority.ca),
    deviceCert: at.write('device.pem', device.cert),
    deviceKey: at.write('device.key', device.key),
    strangerCert: at.write('stranger.pem', stranger.cert),
    strangerKey: at.write('stranger.key', stranger.key),
    otherCert: at.write('other.pem', other.cert),
    otherKey: at.write('other.key', other.key),
  };
}

/** The common name of the certificate that a server shows to whoever asks for `servername`. */
function shown(port: number, servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

describe.skipIf(!installed('mosquitto_pub'))('mosquitto_pub and mosquitto_sub', () => {
  test('--cafile, and --tls-alpn mqtt; another ALPN name is refused', async () => {
    const f = files();
    const hub = await start({ ports: { ...OFF, mqtts: 0 }, tls: { cert: f.cert, key: f.key } });
    const to = ['-h', 'localhost', '-p', hub.port('mqtts'), '--cafile', f.ca];
    const sent = await run(
      'mosquitto_pub',
      ...to,
      '--tls-alpn',
      'mqtt',
      '-q',
      1,
      '-r',
      '-t',
      'a',
      '-m',
      'by alpn',
    );
    expect(sent).toMatchObject({ code: 0 });
    expect((await run('mosquitto_sub', ...to, '-t', 'a', '-C', 1, '-W', 10)).output).toBe('by alpn\n');
    const refused = await run('mosquitto_pub', ...to, '--tls-alpn', 'h2', '-q', 1, '-t', 'a', '-m', 'no');
    expect(refused.code).not.toBe(0);
  });

  test('a certificate that is revoked is refused as soon as the list says so, without a restart', async () => {
    const f = files();
    const thief = authority.issue('thief');
    const crl = f.at.write('crl.pem', authority.revocations());
    const hub = await start({
      ports: { ...OFF, mqtts: 0 },
      watch: '20ms',
      tls: { cert: f.cert, key: f.key, ca: f.ca, crl, requireCert: true, certificateIsUser: true },
      auth: { engine: 'file' },
    });
    const publish = (cert: string, key: string) =>
      run(
        'mosquitto_pub',
        ...['-h', 'localhost', '-p', hub.port('mqtts'), '--cafile', f.ca, '-t', 'a', '-m', 'x', '-q', 1],
        ...['--cert', cert, '--key', key],
      );
    const stolen = [f.at.write('thief.pem', thief.cert), f.at.write('thief.key', thief.key)] as const;
    expect((await publish(...stolen)).code).toBe(0);
    f.at.write('crl.pem', authority.revocations(thief));
    await expect.poll(() => hub.log.join('\n')).toContain('reloaded users and rules; certificates');
    expect((await publish(...stolen)).code).not.toBe(0);
    expect((await publish(f.deviceCert, f.deviceKey)).code).toBe(0);
  });

  test('--cert and --key: the common name is the user; without one, or with a stranger’s, nobody enters', async () => {
    const f = files();
    const rules = f.at.write('acl', 'user device-7\nallow both devices/%u/#\n');
    const users = f.at.write('users', '');
    const hub = await start({
      ports: { ...OFF, mqtts: 0 },
      tls: { cert: f.cert, key: f.key, ca: f.ca, requireCert: true, certificateIsUser: true },
      auth: { users, acl: rules },
    });
    const to = ['-h', 'localhost', '-p', hub.port('mqtts'), '--cafile', f.ca, '-V', 5, '-q', 1];
    const mine = ['--cert', f.deviceCert, '--key', f.deviceKey];
    const own = await run('mosquitto_pub', ...to, ...mine, '-r', '-t', 'devices/device-7/t', '-m', '21');
    expect(own.code).toBe(0);
    const heard = await run('mosquitto_sub', ...to, ...mine, '-t', 'devices/device-7/t', '-C', 1, '-W', 10);
    expect(heard.output).toBe('21\n');
    const foreign = await run('mosquitto_sub', ...to, ...mine, '-t', 'devices/device-8/t', '-C', 1, '-W', 10);
    expect(foreign.errors).toMatch(/denied|not authori[sz]ed/i);
    expect((await run('mosquitto_pub', ...to, '-t', 'a', '-m', 'x')).code).not.toBe(0);
    const strange = ['--cert', f.strangerCert, '--key', f.strangerKey];
    expect((await run('mosquitto_pub', ...to, ...strange, '-t', 'a', '-m', 'x')).code).not.toBe(0);
  });

  test('--psk: a listener without any certificate; a wrong key and an unknown device are refused', async () => {
    const keys = folder().write('psk', 'device-1:00112233445566778899aabbccddeeff\n');
    const hub = await start({
      listeners: [{ name: 'keys', type: 'tls', port: 0, tls: { psk: keys } }],
    });
    const to = ['-h', '127.0.0.1', '-p', hub.port('keys'), '-q', 1, '-t', 'k'];
    const key = '00112233445566778899aabbccddeeff';
    const sent = await run(
      'mosquitto_pub',
      ...to,
      '--psk-identity',
      'device-1',
      '--psk',
      key,
      '-r',
      '-m',
      'by key',
    );
    expect(sent).toMatchObject({ code: 0 });
    const heard = await run(
      'mosquitto_sub',
      ...to,
      '--psk-identity',
      'device-1',
      '--psk',
      key,
      '-C',
      1,
      '-W',
      10,
    );
    expect(heard.output).toBe('by key\n');
    const wrong = await run('mosquitto_pub', ...to, '--psk-identity', 'device-1', '--psk', 'ff', '-m', 'x');
    expect(wrong.code).not.toBe(0);
    const unknown = await run('mosquitto_pub', ...to, '--psk-identity', 'device-2', '--psk', key, '-m', 'x');
    expect(unknown.code).not.toBe(0);
  });

  test('keys without users: who shows a key is that device, who shows none stays out', async () => {
    const f = files();
    const keys = f.at.write('psk', 'device-1:00112233445566778899aabbccddeeff\n');
    const hub = await start({
      ports: { ...OFF, mqtts: 0 },
      tls: { cert: f.cert, key: f.key, psk: keys },
      auth: { engine: 'file', rules: [{ user: 'device-1', allow: 'both', filter: 'devices/%u' }] },
    });
    const to = ['-h', 'localhost', '-p', hub.port('mqtts'), '-V', 5, '-q', 1, '-t', 'devices/device-1'];
    const keyed = ['--psk-identity', 'device-1', '--psk', '00112233445566778899aabbccddeeff'];
    expect(await run('mosquitto_pub', ...to, ...keyed, '-r', '-m', 'x')).toMatchObject({ code: 0 });
    expect((await run('mosquitto_pub', ...to, '--cafile', f.ca, '-m', 'x')).code).not.toBe(0);
  });
});

describe.each([
  ['tls', 'mqtts', { ...OFF, mqtts: 0 }],
  ['wss', 'webs', { ...OFF, webs: 0 }],
])('%s', (_type, name, ports) => {
  test('certificates by server name', async () => {
    const f = files();
    const hub = await start({
      ports,
      tls: {
        cert: f.cert,
        key: f.key,
        sni: [
          { name: 'other.example', cert: f.otherCert, key: f.otherKey },
          { name: '*.sites.example', cert: f.otherCert, key: f.otherKey },
        ],
      },
    });
    const port = hub.port(name);
    expect(await shown(port, 'localhost')).toBe('localhost');
    expect(await shown(port, 'other.example')).toBe('other.example');
    expect(await shown(port, 'OTHER.example')).toBe('other.example');
    expect(await shown(port, 'a.sites.example')).toBe('other.example');
    expect(await shown(port, 'a.b.sites.example')).toBe('localhost');
  });

  test('a reload shows the new certificate, also one under another name; a broken one leaves the old', async () => {
    const f = files();
    const settings = { ports, tls: { cert: f.cert, key: f.key } };
    const hub = await start(settings);
    const port = hub.port(name);
    f.at.write('cert.pem', other.cert);
    f.at.write('key.pem', other.key);
    expect((await hub.reload(settings)).join('\n')).toContain('certificates');
    expect(await shown(port, 'localhost')).toBe('other.example');

    f.at.write('cert.pem', 'nothing of that kind');
    expect((await hub.reload(settings)).join('\n')).toContain('error reload: certificates stay as they were');
    expect(await shown(port, 'localhost')).toBe('other.example');

    const renamed = { ports, tls: { cert: f.deviceCert, key: f.deviceKey } };
    const said = await hub.reload(renamed);
    expect(said.join('\n')).not.toContain('restart');
    expect(await shown(port, 'localhost')).toBe('device-7');
  });
});
