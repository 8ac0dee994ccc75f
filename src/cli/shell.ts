// Runs a person's own command for a message: the payload is its input, its output the answer.

import { spawn } from 'node:child_process';
import type { IncomingMessage } from '../client/message.ts';
import { Failure, type Io } from './io.ts';

/** More than this is no answer to a message. */
const MOST_OCTETS = 16 * 1_048_576;

/**
 * Resolves to what `command` writes. It sees the topic in WAYMEET_TOPIC, and what it says of errors goes to ours. Rejects with a Failure when it
 * ends with another code than 0, and when `signal` ends it.
 */
export function runFor(
  io: Io,
  command: string,
  m: IncomingMessage,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, {
      shell: true,
      cwd: io.folder,
      env: { ...io.environment, WAYMEET_TOPIC: m.topic } as NodeJS.ProcessEnv,
      ...(signal === undefined ? {} : { signal }),
    });
    const parts: Uint8Array[] = [];
    let octets = 0;
    child.stdout.on('data', (part: Uint8Array) => {
      octets += part.length;
      if (octets > MOST_OCTETS) child.kill();
      else parts.push(part);
    });
    child.stderr.on('data', (part: Uint8Array) => io.errors.write(part));
    // It need not read what it is given.
    child.stdin.on('error', () => {});
    child.stdin.end(m.payload);
    child.once('error', reject);
    child.once('close', (code, ended) => {
      if (octets > MOST_OCTETS) reject(new Failure(`'${command}' wrote more than ${MOST_OCTETS} octets`));
      else if (code === 0) resolve(Buffer.concat(parts));
      else reject(new Failure(`'${command}' ended with ${code ?? ended}`));
    });
  });
}
