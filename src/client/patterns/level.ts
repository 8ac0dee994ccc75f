// Names as one level of a topic, so that any name may stand in one.

export function levelOf(name: string): string {
  return name.replace(/[%/+#\0]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`);
}

export function nameOf(level: string): string {
  return level.replace(/%(25|2F|2B|23|00)/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)));
}
