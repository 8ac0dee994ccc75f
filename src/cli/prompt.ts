// Asks a person for a secret without showing it; takes the first line when the input is no terminal.

import { createInterface } from 'node:readline';
import { EXIT, Failure, type Io } from './io.ts';

export async function askSecret(io: Io, question: string): Promise<string> {
  const { input } = io;
  if (input.isTTY !== true || input.setRawMode === undefined) return firstLine(io);
  io.errors.write(question);
  input.setRawMode(true);
  input.resume();
  input.setEncoding('utf8');
  try {
    return await typed(io);
  } finally {
    input.setRawMode(false);
    input.pause();
    io.errors.write('\n');
  }
}

function typed(io: Io): Promise<string> {
  return new Promise((resolve, reject) => {
    let secret = '';
    const take = (keys: string) => {
      for (const key of keys) {
        if (key === '\r' || key === '\n' || key === '\u0004') {
          io.input.off('data', take);
          resolve(secret);
          return;
        }
        if (key === '\u0003') {
          io.input.off('data', take);
          reject(new Failure('nothing was changed', EXIT.failed));
          return;
        }
        secret = key === '\u007f' || key === '\b' ? secret.slice(0, -1) : secret + key;
      }
    };
    io.input.on('data', take);
  });
}

async function firstLine(io: Io): Promise<string> {
  for await (const line of createInterface({ input: io.input })) return line;
  throw new Failure('there was no password on the input: pipe it in, or use --password-file', EXIT.usage);
}
