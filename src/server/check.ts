// What `config check` looks at beyond the configuration itself: whether the files that it names are there and can be used.

import { createSecureContext } from 'node:tls';
import { pino } from 'pino';
import { openEngines } from './auth.ts';
import { type PlannedListener, plan } from './config/listeners.ts';
import type { Config } from './config/schema.ts';
import { credentialsOf } from './listeners.ts';

/** What is wrong in files of users, rules, keys and certificates, a line each. No service is asked, and nothing is kept open. */
export async function fileFaults(config: Config): Promise<string[]> {
  const faults = new Set<string>();
  const attempt = async (act: () => unknown) => {
    try {
      await act();
    } catch (error) {
      for (const line of (error as Error).message.split('\n')) faults.add(line);
    }
  };
  for (const listener of plan(config)) {
    await attempt(() => openOnce(withoutServices(listener)));
    await attempt(() => checkCertificates(listener));
  }
  return [...faults];
}

async function openOnce(listener: PlannedListener): Promise<void> {
  const engines = await openEngines([listener], pino({ level: 'silent' }));
  engines.close();
}

/** The address of a service is not the business of a check that may run elsewhere. */
function withoutServices(listener: PlannedListener): PlannedListener {
  const { auth } = listener;
  const { jwks } = auth.jwt;
  const jwt = jwks !== undefined && /^https?:/i.test(jwks) ? { ...auth.jwt, jwks: undefined } : auth.jwt;
  return { ...listener, auth: { ...auth, jwt } };
}

function checkCertificates({ tls, type }: PlannedListener): void {
  if (type !== 'tls' && type !== 'wss' && type !== 'dtls') return;
  const { credentials, byServerName = {} } = credentialsOf(tls);
  for (const one of [credentials, ...Object.values(byServerName)]) {
    if (one === undefined) continue;
    const text = (pem: string | Uint8Array) => Buffer.from(pem);
    try {
      createSecureContext({ cert: text(one.cert), key: text(one.key) });
    } catch (error) {
      throw new Error(`${tls.cert}: ${(error as Error).message}: is it PEM, and does the key belong to it?`, {
        cause: error,
      });
    }
  }
}
