// Whether the hub is alive and ready, as `/health` answers it.

export type Phase = 'starting' | 'ready' | 'stopping' | 'failed';

export interface Health {
  readonly phase: Phase;
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly listeners: readonly string[];
}

export interface HealthAnswer {
  readonly status: 200 | 503;
  readonly body: string;
}

/** `live`: the process need not be restarted. `ready`: clients may be sent here. Plain `/health` is as `ready`. */
export function answerHealth(probe: 'live' | 'ready', health: Health): HealthAnswer {
  const fine = probe === 'live' ? health.phase !== 'failed' : health.phase === 'ready';
  return {
    status: fine ? 200 : 503,
    body: `${JSON.stringify({ status: fine ? 'ok' : 'unavailable', ...health })}\n`,
  };
}
