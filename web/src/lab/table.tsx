// Tables of measures: of one run, sorted by any of them, and of two with what lies between.

import { bestOf, type Column, columnsFor, format } from '../../../src/lab/report/columns.ts';
import type { Cell } from '../../../src/lab/result.ts';
import type { Row } from './bars.tsx';

/** Undefined: in the order of the run. */
export interface Sort {
  readonly column: string;
  readonly down: boolean;
}

const VARIANT = 'variant';

const cellsOf = (rows: readonly Row[]): Cell[] =>
  rows.flatMap(({ cells }) => cells.filter((c) => c !== undefined));

export function sorted(rows: readonly Row[], sort: Sort | undefined): readonly Row[] {
  if (sort === undefined) return rows;
  const column = columnsFor(cellsOf(rows)).find((c) => c.name === sort.column);
  const of = (row: Row): number | string => {
    const cell = row.cells.find((c) => c !== undefined);
    return column === undefined || cell === undefined ? row.variant : column.of(cell);
  };
  const way = sort.down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [one, other] = [of(a), of(b)];
    return one === other ? 0 : one < other ? -way : way;
  });
}

interface TableProps {
  readonly rows: readonly Row[];
  /** Of two runs, how they are told apart. */
  readonly names: readonly string[];
  readonly sort: Sort | undefined;
  change(sort: Sort): void;
}

export function MeasureTable({ rows, names, sort, change }: TableProps) {
  const columns = columnsFor(cellsOf(rows));
  const best = columns.map((c) => bestOf(c, cellsOf(rows)));
  const next = (column: string): Sort => ({
    column,
    down: sort?.column === column && !sort.down,
  });
  const head = (column: string, title: string, unit: string) => (
    <th
      key={column}
      scope="col"
      class={column === VARIANT ? '' : 'number'}
      aria-sort={sort?.column !== column ? 'none' : sort.down ? 'descending' : 'ascending'}
    >
      <button type="button" class="link" onClick={() => change(next(column))}>
        {title}
        {sort?.column === column && (sort.down ? ' ↓' : ' ↑')}
      </button>
      <span class="quiet"> {unit}</span>
    </th>
  );
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
    <section class="card scroll" aria-label="Measures" tabIndex={0}>
      <table class="rows lab-table">
        <thead>
          <tr>
            {head(VARIANT, VARIANT, '')}
            {columns.map((c) => head(c.name, c.name, c.unit))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ variant, cells }) => (
            <tr key={variant}>
              <th scope="row" class="mono">
                {variant}
              </th>
              {columns.map((c, i) => (
                <td key={c.name} class="number">
                  {names.length > 1 ? (
                    <Pair column={c} cells={cells} names={names} />
                  ) : (
                    <One column={c} cell={cells[0]} best={best[i]} />
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface OneProps {
  readonly column: Column;
  readonly cell: Cell | undefined;
  /** As it is printed. */
  readonly best: string | undefined;
}

function One({ column, cell, best }: OneProps) {
  if (cell === undefined) return <span class="quiet">–</span>;
  const text = format(column.of(cell), column.digits);
  return text === best ? <strong title="the best">{text}</strong> : text;
}

interface PairProps {
  readonly column: Column;
  readonly cells: readonly (Cell | undefined)[];
  readonly names: readonly string[];
}

function Pair({ column, cells, names }: PairProps) {
  const [one, other] = cells.map((c) => (c === undefined ? undefined : column.of(c)));
  const show = (value: number | undefined) => (value === undefined ? '–' : format(value, column.digits));
  const change = one === undefined || other === undefined ? undefined : changeOf(column, one, other);
  return (
    <>
      <span class="lab-pair" title={names.join(', then ')}>
        {show(one)} <span class="quiet">→</span> {show(other)}
      </span>
      {change !== undefined && <span class={`small lab-change ${change.kind}`}>{change.text}</span>}
    </>
  );
}

/** By how much, in percent, or in its unit where there was nothing; undefined: they print alike, or one never came. */
function changeOf(
  { better, digits, unit }: Column,
  one: number,
  other: number,
): { readonly text: string; readonly kind: 'good' | 'bad' | '' } | undefined {
  if (format(one, digits) === format(other, digits) || !Number.isFinite(one + other)) return undefined;
  const more = other > one;
  const sign = more ? '+' : '−';
  const by = Math.abs(other - one);
  const text = one === 0 ? `${sign}${format(by, digits)} ${unit}` : `${sign}${format((100 * by) / one, 1)} %`;
  return { text, kind: better === 'neither' ? '' : more === (better === 'more') ? 'good' : 'bad' };
}
