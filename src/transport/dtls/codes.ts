// The numbers of DTLS 1.2 and its extensions, by the names that the RFCs give them.

export const DTLS_1_0 = 0xfeff;
export const DTLS_1_2 = 0xfefd;

/** Record types [RFC6347-4.1, RFC9146-4]. */
export const RECORD = {
  changeCipherSpec: 20,
  alert: 21,
  handshake: 22,
  applicationData: 23,
  /** A record with a connection id; its true type is inside. */
  tls12Cid: 25,
} as const;

/** Handshake types [RFC6347-4.3.2]. */
export const HANDSHAKE = {
  helloRequest: 0,
  clientHello: 1,
  serverHello: 2,
  helloVerifyRequest: 3,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  serverHelloDone: 14,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
} as const;

/** Alerts [RFC5246-7.2]. */
export const ALERT = {
  closeNotify: 0,
  unexpectedMessage: 10,
  handshakeFailure: 40,
  badCertificate: 42,
  unsupportedCertificate: 43,
  certificateExpired: 45,
  illegalParameter: 47,
  unknownCa: 48,
  accessDenied: 49,
  decodeError: 50,
  decryptError: 51,
  protocolVersion: 70,
  internalError: 80,
  userCanceled: 90,
  noRenegotiation: 100,
  unsupportedExtension: 110,
  unrecognizedName: 112,
  unknownPskIdentity: 115,
  certificateRequired: 116,
} as const;

export const WARNING = 1;
export const FATAL = 2;

export const EXTENSION = {
  serverName: 0,
  maxFragmentLength: 1,
  supportedGroups: 10,
  ecPointFormats: 11,
  signatureAlgorithms: 13,
  extendedMasterSecret: 23,
  connectionId: 54,
  renegotiationInfo: 0xff01,
} as const;

/** The suite number by which a client says that it knows secure renegotiation [RFC5746-3.3]. */
export const RENEGOTIATION_SCSV = 0x00ff;

/** What an alert is called in logs. */
export function alertName(code: number): string {
  const found = Object.entries(ALERT).find(([, number]) => number === code);
  return found === undefined ? `alert ${code}` : found[0].replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`);
}
