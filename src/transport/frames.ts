// WebSocket frames of a server: neither masked nor compressed, those of one turn laid out beside each other. [RFC6455-5.2]

const TEXT_FIN = 0x81;
const BINARY_FIN = 0x82;
const HEAD_BYTES = 10;
const BATCH_BYTES = 65_536;

/** 0x81 | length, or 126 and two octets, or 127 and eight | payload. Returns the offset behind the head. */
function writeHead(target: Uint8Array, at: number, length: number, text: boolean): number {
  target[at] = text ? TEXT_FIN : BINARY_FIN;
  if (length < 126) {
    target[at + 1] = length;
    return at + 2;
  }
  if (length < 0x1_0000) {
    target[at + 1] = 126;
    target[at + 2] = length >> 8;
    target[at + 3] = length & 0xff;
    return at + 4;
  }
  target[at + 1] = 127;
  let rest = length;
  for (let i = 9; i > 1; i--) {
    target[at + i] = rest % 0x100;
    rest = Math.floor(rest / 0x100);
  }
  return at + HEAD_BYTES;
}

export function frameHead(length: number, text: boolean): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  return head.subarray(0, writeHead(head, 0, length, text));
}

/** The frames that one wire sends in this turn; one memory for all wires, as they take turns. */
class FrameBatch {
  length = 0;
  /** Octets of the messages in it, without their heads. */
  messageBytes = 0;
  private readonly memory = new Uint8Array(BATCH_BYTES);

  /** False: it does not fit beside what is there. */
  add(message: Uint8Array, text: boolean): boolean {
    const { memory } = this;
    if (this.length + HEAD_BYTES + message.length > BATCH_BYTES) return false;
    const at = writeHead(memory, this.length, message.length, text);
    memory.set(message, at);
    this.length = at + message.length;
    this.messageBytes += message.length;
    return true;
  }

  /** A copy of the frames; the batch is empty again. */
  take(): Buffer {
    const frames = Buffer.from(this.memory.subarray(0, this.length));
    this.length = 0;
    this.messageBytes = 0;
    return frames;
  }
}

export const batch = new FrameBatch();

let lastMessage: Uint8Array | undefined;
let lastText = false;
let lastFrame = Buffer.alloc(0);

/** The frame of one message. A fan-out gives the same message to many wires, one after the other: they share it. */
export function sharedFrame(message: Uint8Array, text: boolean): Buffer {
  if (message === lastMessage && text === lastText) return lastFrame;
  const frame = Buffer.allocUnsafe(HEAD_BYTES + message.length);
  const at = writeHead(frame, 0, message.length, text);
  frame.set(message, at);
  lastMessage = message;
  lastText = text;
  lastFrame = frame.subarray(0, at + message.length);
  return lastFrame;
}
