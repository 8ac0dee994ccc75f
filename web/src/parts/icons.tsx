// The icons: strokes on a grid of 16, drawn in the colour of the text around them.

const PATHS = {
  plug: 'M6 2v3M10 2v3M4.5 5h7v2.5a3.5 3.5 0 0 1-7 0zM8 11v3',
  tree: 'M3 3h4M3 3v9.5h3M3 7.5h3M8.5 7.5H13M8.5 12.5H13',
  pin: 'M4 2.5h8v11L8 10.4 4 13.5z',
  pulse: 'M1.5 8.5h3L6.5 3l3 10 2-4.5h3',
  people:
    'M6 7.5a2.25 2.25 0 1 0 0-4.5 2.25 2.25 0 0 0 0 4.5M2 13c0-2.3 1.7-3.7 4-3.7s4 1.4 4 3.7M10.7 3.3a2.2 2.2 0 0 1 0 4M12 9.8c1.3.5 2 1.6 2 3.2',
  layers: 'M8 2 2 5l6 3 6-3zM2 8.2l6 3 6-3M2 11.2l6 3 6-3',
  scan: 'M2 5V3a1 1 0 0 1 1-1h2M11 2h2a1 1 0 0 1 1 1v2M14 11v2a1 1 0 0 1-1 1h-2M5 14H3a1 1 0 0 1-1-1v-2M4.5 8h7',
  sliders: 'M2 4.5h6M12 4.5h2M2 11.5h2M8 11.5h6M10 2.5v4M6 9.5v4',
  chip: 'M4.5 4.5h7v7h-7zM6.5 2v2.5M9.5 2v2.5M6.5 11.5V14M9.5 11.5V14M2 6.5h2.5M2 9.5h2.5M11.5 6.5H14M11.5 9.5H14',
  star: 'M8 2.5v11M3.2 5.2l9.6 5.6M12.8 5.2l-9.6 5.6',
  sun: 'M8 10.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5M8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1',
  moon: 'M13.5 9.5A5.8 5.8 0 0 1 6.5 2.5a5.8 5.8 0 1 0 7 7',
  auto: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12M8 2v12M8 5.5l4.8 0M8 8.5h6M8 11.5h4.6',
  search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10M10.7 10.7 14 14',
  pause: 'M5.5 3v10M10.5 3v10',
  play: 'M4.5 2.8v10.4L13 8z',
  down: 'M8 2v8.5M4.5 7 8 10.5 11.5 7M2.5 13.5h11',
  bin: 'M2.5 4h11M6 4V2.5h4V4M4 4l.7 9.5h6.6L12 4M6.7 6.7v4M9.3 6.7v4',
  cross: 'M4 4l8 8M12 4l-8 8',
  plus: 'M8 3v10M3 8h10',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  tick: 'M3 8.5 6.5 12 13 4.5',
  send: 'M14 2 7 9M14 2 9.5 14 7 9 2 6.5z',
  menu: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h11',
  keys: 'M1.5 4h13v8h-13zM4 6.5h.01M6.7 6.5h.01M9.3 6.5h.01M12 6.5h.01M4.5 9.5h7',
  warning: 'M8 2 1.5 13.5h13zM8 6.5v3M8 11.5v.01',
  fact: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12M8 7.3V11M8 5v.01',
  leave: 'M6 2.5H3v11h3M10 5l3 3-3 3M13 8H6',
  keep: 'M3 2.5h8l2.5 2.5v8.5h-10.5zM5.5 2.5v3.5h4.5v-3.5M5.5 13.5v-4h5v4',
  again: 'M13.5 3v3.5H10M13 6.5A5.3 5.3 0 1 0 13.3 9.5',
  off: 'M8 2v6M4.6 4.2a5 5 0 1 0 6.8 0',
  flask: 'M6 2h4M6.8 2v4L2.9 12.5A1 1 0 0 0 3.8 14h8.4a1 1 0 0 0 .9-1.5L9.2 6V2M4.9 9.5h6.2',
  compass: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12M10.8 5.2 9.2 9.2 5.2 10.8 6.8 6.8z',
  chart: 'M2.5 2.5v11h11M5 10l2.5-3 2 1.5L13 4.5',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { readonly name: IconName; readonly size?: number }) {
  return (
    <svg viewBox="0 0 16 16" width={size} height={size} aria-hidden="true">
      <path
        d={PATHS[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.35"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}

/** Roads that meet. */
export function Mark({ size = 22 }: { readonly size?: number }) {
  return (
    <svg viewBox="0 0 24 24" width={size} height={size} aria-hidden="true">
      <g fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round">
        <path d="M2.5 5.5 7.5 18.5 12 8l4.5 10.5 5-13" />
      </g>
      <circle cx="12" cy="7.3" r="2.6" fill="currentColor" />
    </svg>
  );
}
