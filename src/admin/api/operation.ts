// What one operation of the admin API is: a method, a path, the schemas that check it and describe it, and what it does.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { Caller } from './guard.ts';

/** `open`: anybody may ask; `viewer` may look; `admin` may change. */
export type Role = 'open' | 'viewer' | 'admin';

export interface Operation {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Under `/api/v1`, with `{names}`. */
  readonly path: string;
  readonly about: string;
  readonly role: Role;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly answer: z.ZodType;
  /** What it answers in, if not JSON; then `answer` is one event or line of it. */
  readonly media?: readonly string[];
  run(asked: Asked): unknown;
}

/** What every operation may know of its request beside what its schemas checked. */
export interface Asking {
  readonly params: Readonly<Record<string, string>>;
  readonly caller: Caller;
  readonly request: IncomingMessage;
  /** For what answers by itself, in other media than JSON. */
  readonly response: ServerResponse;
  /** Without its port. */
  readonly address: string;
  /** Gives the answer a `Set-Cookie`. */
  readonly setCookie: (cookie: string) => void;
}

export interface Asked extends Asking {
  readonly query: never;
  readonly body: never;
}

/** Gives `run` the types that its schemas promise. */
export function operation<Q extends z.ZodObject, B extends z.ZodType, A extends z.ZodType>(o: {
  readonly method: Operation['method'];
  readonly path: string;
  readonly about: string;
  readonly role: Role;
  readonly query?: Q;
  readonly body?: B;
  readonly answer: A;
  run(
    asked: Asking & { readonly query: z.output<Q>; readonly body: z.output<B> },
  ): z.input<A> | Promise<z.input<A>>;
}): Operation {
  return o as unknown as Operation;
}

/** The same for what answers with a stream. */
export function streaming<Q extends z.ZodObject>(o: {
  readonly path: string;
  readonly about: string;
  readonly role: Role;
  readonly query?: Q;
  readonly answer: z.ZodType;
  readonly media: readonly string[];
  run(asked: Asking & { readonly query: z.output<Q> }): void;
}): Operation {
  return { method: 'GET', ...o } as unknown as Operation;
}
