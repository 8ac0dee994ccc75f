// What a trace shows of XMPP: the octets of each read, called by the first element in them; what a login says is starred.

/** Only who is logged in says these [RFC6120-4.3.5, XEP0198-3]. */
const STANZA = /<(?:iq|message|presence|r|a)[\s/>]/;
const ELEMENT = /<([A-Za-z][^\s/>]*)/;
const OPEN = 0x3c;
const CLOSE = 0x3e;
const STAR = 0x2a;
const octetwise = new TextDecoder('latin1');

/** One direction of one connection. Elements may be cut anywhere. */
export class XmppEye {
  private loggedIn = false;
  private inTag = false;

  /** The octets with a `*` for each one outside of tags, until the first stanza: there SASL has its proofs. */
  see(packet: Uint8Array): { readonly name: string; readonly octets: Uint8Array } {
    const text = octetwise.decode(packet);
    const name = ELEMENT.exec(text)?.[1] ?? 'octets';
    if (STANZA.test(text)) this.loggedIn = true;
    if (this.loggedIn) return { name, octets: packet };
    const octets = packet.slice();
    for (let i = 0; i < octets.length; i++) {
      if (octets[i] === OPEN) this.inTag = true;
      else if (octets[i] === CLOSE) this.inTag = false;
      else if (!this.inTag) octets[i] = STAR;
    }
    return { name, octets };
  }
}
