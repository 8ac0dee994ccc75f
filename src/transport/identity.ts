// What a TLS handshake proved about the other side, in the words of the contract.

import type { TLSSocket } from 'node:tls';
import type { WireIdentity } from '../contract/wire.ts';

/** Of a connection without a handshake; one for all of them. */
export const NOTHING_PROVEN: WireIdentity = {};

/** What the handshake proved. A certificate that was not verified proves nothing, and is not told. */
export function identityOf(socket: TLSSocket, pskIdentity: string | undefined): WireIdentity {
  const certificate = socket.authorized ? socket.getPeerCertificate() : undefined;
  const serverName = (socket as TLSSocket & { readonly servername?: string | false }).servername;
  return {
    ...(certificate?.fingerprint256 === undefined
      ? {}
      : {
          certificate: {
            commonName: commonName(certificate.subject?.CN),
            fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
          },
        }),
    ...(pskIdentity === undefined ? {} : { pskIdentity }),
    ...(serverName ? { serverName } : {}),
  };
}

/** A subject with several common names could be read two ways, so it has none. */
function commonName(names: string | string[] | undefined): string {
  return typeof names === 'string' ? names : '';
}
