// The OpenAPI 3.1 document, made from the schemas that check requests.

import { z } from 'zod';
import type { Operation } from './operation.ts';
import { problem } from './views.ts';

export function openApi(operations: readonly Operation[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const o of operations) {
    paths[o.path] ??= {};
    paths[o.path]![o.method.toLowerCase()] = {
      summary: o.about,
      operationId: operationId(o),
      ...(o.role === 'open' ? { security: [] } : {}),
      parameters: [...pathParameters(o), ...queryParameters(o)],
      ...(o.body === undefined
        ? {}
        : {
            requestBody: {
              required: true,
              content: { 'application/json': { schema: schemaOf(o.body, 'input') } },
            },
          }),
      responses: {
        200: {
          description: 'Done.',
          content: Object.fromEntries(
            (o.media ?? ['application/json']).map((media) => [
              media,
              { schema: schemaOf(o.answer, 'output') },
            ]),
          ),
        },
        default: {
          description: 'Refused; the reason in words.',
          content: { 'application/problem+json': { schema: schemaOf(problem, 'output') } },
        },
      },
    };
  }
  return {
    openapi: '3.1.1',
    info: { title: 'Waymeet admin API', version },
    servers: [{ url: '/api/v1' }],
    security: [{ basic: [] }, { session: [] }, {}],
    paths,
    components: {
      securitySchemes: {
        basic: { type: 'http', scheme: 'basic' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: 'waymeet_{port}',
          description: 'Of POST /login; changes also show its token in X-Waymeet-CSRF.',
        },
      },
    },
  };
}

function operationId({ method, path }: Operation): string {
  const words = path.split('/').filter((word) => word !== '' && !word.startsWith('{'));
  const one = path.endsWith('}') ? 'One' : '';
  return `${method.toLowerCase()}${words.map((w) => w[0]!.toUpperCase() + w.slice(1)).join('')}${one}`;
}

function pathParameters({ path }: Operation): object[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((found) => ({
    name: found[1],
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters({ query }: Operation): object[] {
  if (query === undefined) return [];
  const { properties, required } = schemaOf(query, 'input') as {
    properties?: Record<string, { description?: string }>;
    required?: string[];
  };
  return Object.entries(properties ?? {}).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: required?.includes(name) ?? false,
    ...(description === undefined ? {} : { description }),
    schema,
  }));
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, reused: 'inline' }) as Record<string, unknown>;
  return inlined(rest, (rest.$defs ?? {}) as Record<string, object>) as object;
}

/** Named schemas are written where they are used: references would have to point into the whole document. */
function inlined(value: unknown, defs: Readonly<Record<string, object>>): unknown {
  if (Array.isArray(value)) return value.map((one) => inlined(one, defs));
  if (typeof value !== 'object' || value === null) return value;
  const { $ref: ref, $defs: _defs, id: _id, properties, ...rest } = value as Record<string, unknown>;
  if (typeof ref === 'string') return inlined(defs[ref.slice(ref.lastIndexOf('/') + 1)], defs);
  // What stands in `properties` are names, whatever they are.
  const names = properties === undefined ? {} : { properties: each(properties as object, defs) };
  return { ...each(rest, defs), ...names };
}

function each(value: object, defs: Readonly<Record<string, object>>): object {
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inlined(one, defs)]));
}
