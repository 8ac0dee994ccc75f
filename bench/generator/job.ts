// What the generator process is asked to do, and what it answers.

import type { Work } from '../scenarios/list.ts';
import type { Level } from './frames.ts';

export interface Job {
  readonly work: Work;
  readonly level: Level;
  readonly port: number;
  /** The broker, whose CPU and memory are read. */
  readonly pid: number;
  readonly warmMs: number;
  readonly measureMs: number;
}

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly better: 'less' | 'more' | 'neither';
}

/** `error`: a check failed, and there are no figures. */
export type Answer = { readonly figures: readonly Figure[] } | { readonly error: string };
