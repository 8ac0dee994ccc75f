// The runtime's raw UDP handle, typed, for a socket that speaks to one address: why, raw.ts tells. A dgram socket costs 4 us a datagram more.

interface SendRequest {
  oncomplete: ((status: number) => void) | null;
}

interface UdpHandle {
  onmessage: (length: number, handle: UdpHandle, bytes: Buffer) => void;
  bind(address: string, port: number, flags: number): number;
  connect(address: string, port: number): number;
  recvStart(): number;
  /** Above 0: sent; 0: under way; below: the system's error. */
  send(request: SendRequest, chunks: readonly Uint8Array[], count: number, tells: boolean): number;
  close(): void;
}

interface UdpBinding {
  UDP: new () => UdpHandle;
  SendWrap: new () => SendRequest;
}

const binding = (process as unknown as { binding(name: string): unknown }).binding('udp_wrap') as UdpBinding;

/** A send that is done at once leaves its request untouched. */
let spare: SendRequest | undefined;
const list: Uint8Array[] = [];

export class Datagrams {
  private readonly handle = new binding.UDP();

  /** Calls `arrived` with every datagram from that port of this machine. Throws when there is no port or no memory left for it. */
  constructor(port: number, arrived: (datagram: Buffer) => void) {
    const { handle } = this;
    check('bind', handle.bind('127.0.0.1', 0, 0));
    check('connect', handle.connect('127.0.0.1', port));
    handle.onmessage = (length, _handle, datagram) => {
      check('receive', length);
      arrived(datagram);
    };
    check('receive', handle.recvStart());
  }

  send(datagram: Uint8Array): void {
    const request = spare ?? new binding.SendWrap();
    spare = undefined;
    list[0] = datagram;
    const status = this.handle.send(request, list, 1, false);
    check('send', status);
    // Under way means that the buffer of the socket is full, and that the octets are still needed.
    if (status > 0) spare = request;
    else throw new Error('a datagram could not be sent at once');
  }

  close(): void {
    this.handle.close();
  }
}

function check(what: string, status: number): void {
  if (status < 0) throw new Error(`cannot ${what}: the system's error ${status}`);
}
