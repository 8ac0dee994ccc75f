// The dashboard's files, held in memory and compressed once.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};

/** Only the dashboard's own files may run, and it may talk to nobody but this hub. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

interface Page {
  readonly plain: Buffer;
  readonly packed: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

export class Pages {
  private readonly pages = new Map<string, Page>();

  /** Reads every file of `folder`; one that does not exist serves nothing. */
  constructor(folder: string) {
    if (!existsSync(folder)) return;
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const type = TYPES[path.extname(name)];
      if (type === undefined) continue;
      const plain = readFileSync(path.join(folder, name));
      const url = `/${name.replaceAll(path.sep, '/')}`;
      this.pages.set(url === '/index.html' ? '/' : url, pageOf(plain, type, url.startsWith('/assets/')));
    }
  }

  get paths(): string[] {
    return [...this.pages.keys()];
  }

  has(url: string): boolean {
    return this.pages.has(url);
  }

  send(request: IncomingMessage, response: ServerResponse, url: string): void {
    const { plain, packed, headers } = this.pages.get(url)!;
    if (request.headers['if-none-match'] === headers.ETag) {
      response.writeHead(304, headers).end();
      return;
    }
    const gzip = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
    const body = gzip ? packed : plain;
    response.writeHead(200, {
      ...headers,
      ...(gzip ? { 'Content-Encoding': 'gzip' } : {}),
      'Content-Length': body.length,
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }
}

/** Files under `/assets/` have their content's hash in their name. */
function pageOf(plain: Buffer, type: string, lasting: boolean): Page {
  return {
    plain,
    packed: gzipSync(plain, { level: 9 }),
    headers: {
      'Content-Type': type,
      'Cache-Control': lasting ? 'public, max-age=31536000, immutable' : 'no-cache',
      ETag: `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
      Vary: 'Accept-Encoding',
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'Content-Security-Policy': POLICY,
    },
  };
}
