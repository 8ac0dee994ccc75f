// The advice as the admin API gives it.

export interface Reason {
  readonly rule: string;
  readonly because: string;
  readonly source: string;
  /** Absent for what leaves a variant out. */
  readonly points?: number;
}

export interface Ranked {
  readonly variant: string;
  readonly title: string;
  readonly score: number;
  readonly measured: number;
  readonly figures: {
    readonly bytesPerMessage: number;
    readonly p99Ms: number;
    readonly deliveredPercent: number;
    readonly setupBytes: number;
    readonly idleBytesPerHour: number;
    readonly energyProxyMj: number;
  };
  readonly reasons: readonly Reason[];
}

export interface Advice {
  readonly answers: Readonly<Record<string, string>>;
  readonly ranking: readonly Ranked[];
  readonly excluded: readonly { readonly variant: string; readonly reasons: readonly Reason[] }[];
  readonly turns: readonly {
    readonly question: string;
    readonly answer: string;
    readonly about: string;
    /** `none`: nothing fits. */
    readonly first: string;
    /** What decides between the two. */
    readonly because: string;
  }[];
  readonly start?: {
    readonly url: string;
    readonly shell: string;
    readonly javascript: string;
    readonly libraries: readonly string[];
  };
  /** The network that was measured, as the answers make it. */
  readonly network: string;
  /** The runs that the figures are of. */
  readonly runs: readonly string[];
}
