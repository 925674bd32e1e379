// What a run reported, as curves and tables need it; holds no page.

/** Numbers as people read them: 4 significant digits, a dash for what is undefined. */
export function shown(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0 || Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e6 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

/** Rows as uPlot wants them: the steps, then one list per key; only steps with a number. */
export function columns(rows, keys) {
  const known = rows.filter((row) => keys.some((key) => (row.values[key] ?? null) !== null));
  return [known.map((row) => row.step), ...keys.map((key) => known.map((row) => row.values[key] ?? null))];
}
