// What the lab's advice consists of: the shapes that it is given in, from here to the dashboard.

/** An answer for each question. */
export type Answers = Readonly<Record<string, string>>;

export interface Reason {
  readonly rule: string;
  readonly because: string;
  readonly source: string;
  /** Points; absent for what takes a variant out. */
  readonly points?: number;
}

export interface Figures {
  readonly bytesPerMessage: number;
  readonly p99Ms: number;
  readonly deliveredPercent: number;
  readonly setupBytes: number;
  readonly idleBytesPerHour: number;
  readonly energyProxyMj: number;
}

/** How much each measure weighs. The sum is 1. */
export type Weights = Readonly<Record<keyof Figures, number>>;

export interface Ranked {
  readonly variant: string;
  readonly title: string;
  /** What its figures are worth, 0 to 1, and what rules add. */
  readonly score: number;
  readonly measured: number;
  /** What each figure is worth of `measured`. */
  readonly worth: Weights;
  readonly figures: Figures;
  readonly reasons: readonly Reason[];
}

export interface Start {
  readonly url: string;
  readonly shell: string;
  readonly javascript: string;
  /** Libraries for devices and other languages. */
  readonly libraries: readonly string[];
}

/** With another answer to one question, or on a worse network, another one is first. */
export interface Turn {
  readonly question: string;
  readonly answer: string;
  readonly about: string;
  /** `none`: nothing fits. */
  readonly first: string;
  /** What decides between the two: the rule that takes the other one out, or the figures and points of both. */
  readonly because: string;
}

export interface Advice {
  readonly answers: Answers;
  readonly ranking: readonly Ranked[];
  readonly excluded: readonly { readonly variant: string; readonly reasons: readonly Reason[] }[];
  readonly turns: readonly Turn[];
  /** Questions of which other answers were looked at, and none changes who is first. */
  readonly unmoved: readonly string[];
  readonly start: Start | undefined;
  /** The network that was measured, as the answers make it. */
  readonly network: string;
  /** The runs that the figures are of. */
  readonly runs: readonly string[];
}
