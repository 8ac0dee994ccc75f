// What the tests use of @xmpp/client, which comes without types.

declare module '@xmpp/client' {
  import type { EventEmitter } from 'node:events';

  export interface Element {
    readonly name: string;
    readonly attrs: Readonly<Record<string, string>>;
    readonly children: readonly (Element | string)[];
    getChild(name: string, ns?: string): Element | undefined;
    getChildText(name: string, ns?: string): string | undefined;
    getText(): string;
    text(): string;
    is(name: string, ns?: string): boolean;
  }

  export interface StreamManagement extends EventEmitter {
    id: string;
    enabled: boolean;
    inbound: number;
    outbound: number;
  }

  export interface Below {
    destroy?: () => void;
    terminate?: () => void;
  }

  export interface Client extends EventEmitter {
    readonly jid: { toString(): string; bare(): { toString(): string } };
    readonly status: string;
    /** A socket of Node, or one of its own around one. */
    readonly socket: (Below & { readonly socket?: Below | null }) | null;
    readonly reconnect: { stop(): void; delay: number };
    readonly streamManagement: StreamManagement;
    readonly iqCaller: {
      request(stanza: Element, ms?: number): Promise<Element>;
      get(child: Element, to?: string, ms?: number): Promise<Element>;
      set(child: Element, to?: string, ms?: number): Promise<Element>;
    };
    start(): Promise<unknown>;
    stop(): Promise<unknown>;
    disconnect(): Promise<unknown>;
    send(stanza: Element): Promise<void>;
  }

  export function client(options: {
    service: string;
    domain?: string;
    resource?: string;
    username?: string;
    password?: string;
  }): Client;

  export function xml(
    name: string,
    attrs?: Readonly<Record<string, string>>,
    ...children: (Element | string)[]
  ): Element;
}
