// Who may take a data directory: nobody beside a living holder, anybody after a dead one, even one that its parent has not buried.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { takeLock } from './lock.ts';

const directory = (): Promise<string> => mkdtemp(path.join(tmpdir(), 'waymeet-lock-'));

test('a living holder keeps others out, and the message says what to do', async () => {
  const where = await directory();
  const lock = await takeLock(where);
  await expect(takeLock(where)).rejects.toThrow(/process \d+.*stop it first/);
  await lock.release();
  await (await takeLock(where)).release();
});

test.skipIf(process.platform !== 'linux')('a zombie holds nothing', async () => {
  const where = await directory();
  // The shell's child dies and is never waited for: exec makes sleep its parent.
  const parent = spawn('sh', ['-c', 'sh -c "echo \\$\\$; read x" & exec sleep 30'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString().trim());
  const stat = async (): Promise<string[]> => {
    const text = await readFile(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  };
  const started = (await stat())[19];
  await writeFile(
    path.join(where, 'waymeet.lock'),
    `${JSON.stringify({ host: hostname(), pid, started })}\n`,
  );
  process.kill(pid, 'SIGKILL');
  await expect.poll(async () => (await stat())[0]).toBe('Z');
  await (await takeLock(where)).release();
  parent.kill('SIGKILL');
});
