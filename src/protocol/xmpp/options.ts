// What can be set about XMPP. Sizes in octets, times in ms.

export interface XmppOptions {
  /** The only domain that is served; undefined: whatever clients call this hub. */
  readonly domain: string | undefined;
  /** Before a login over a connection without TLS that could have it: `auto` asks for it beyond this machine. */
  readonly startTls: 'auto' | 'required' | 'offered';
  /** How long a lost connection may be resumed; 0: not at all. */
  readonly resumeMs: number;
  readonly stanzaBytes: number;
  /** A client that says nothing for so long is asked whether it is there, and given as long to answer. */
  readonly pingMs: number;
}

export const XMPP_DEFAULTS: XmppOptions = {
  domain: undefined,
  startTls: 'auto',
  resumeMs: 300_000,
  stanzaBytes: 1_048_576,
  pingMs: 120_000,
};
