// How long a device's radio is on: sending, receiving, and awake in between, under a named model.

/** A radio, for the energy proxy. Times in ms, powers in mW. */
export interface RadioModel {
  readonly name: string;
  readonly transmitMw: number;
  readonly receiveMw: number;
  /** Awake and neither sending nor receiving. */
  readonly tailMw: number;
  readonly sleepMw: number;
  /** From asleep to the first octet. */
  readonly wakeMs: number;
  /** How long it stays awake after the last octet. */
  readonly tailMs: number;
  readonly source: string;
}

/** Nobody counts. */
export const NO_RADIO: RadioModel = {
  name: 'none',
  transmitMw: 0,
  receiveMw: 0,
  tailMw: 0,
  sleepMw: 0,
  wakeMs: 0,
  tailMs: 0,
  source: 'a device on mains power',
};

/** What the model makes of a run. */
export interface RadioUse {
  readonly model: string;
  readonly onMs: number;
  readonly sendMs: number;
  readonly receiveMs: number;
  readonly wakeUps: number;
  /** mJ, without sleeping: that depends on the hours, not on the protocol. */
  readonly proxyMj: number;
}

export class Radio {
  readonly model: RadioModel;
  private sendMs = 0;
  private receiveMs = 0;
  private onMs = 0;
  private wakeUps = 0;
  private awakeUntil = Number.NEGATIVE_INFINITY;

  constructor(model: RadioModel = NO_RADIO) {
    this.model = model;
  }

  sent(at: number, airMs: number): void {
    this.sendMs += airMs;
    this.stay(at, airMs);
  }

  heard(at: number, airMs: number): void {
    this.receiveMs += airMs;
    this.stay(at, airMs);
  }

  private stay(at: number, airMs: number): void {
    const { wakeMs, tailMs } = this.model;
    const until = at + airMs + tailMs;
    if (at > this.awakeUntil) {
      this.wakeUps++;
      this.onMs += wakeMs + airMs + tailMs;
    } else if (until > this.awakeUntil) {
      this.onMs += until - this.awakeUntil;
    }
    this.awakeUntil = Math.max(this.awakeUntil, until);
  }

  use(): RadioUse {
    const { transmitMw, receiveMw, tailMw, name } = this.model;
    const { sendMs, receiveMs, onMs, wakeUps } = this;
    const waiting = Math.max(0, onMs - sendMs - receiveMs);
    const proxyMj = (sendMs * transmitMw + receiveMs * receiveMw + waiting * tailMw) / 1_000;
    return { model: name, onMs, sendMs, receiveMs, wakeUps, proxyMj };
  }
}
