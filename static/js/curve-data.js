// What a run reported, as curves and tables need it; holds no page.

// As the server writes numbers in the page's language.
const LANGUAGE = globalThis.document?.documentElement.lang || "en";
const DECIMAL_MARK = (1.5).toLocaleString(LANGUAGE)[1];
const PERCENT_SIGN = (0.5).toLocaleString(LANGUAGE, { style: "percent" }).replace("50", "");

/** Numbers as people read them: 4 significant digits, a dash for what is undefined. */
export function shown(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (value === 0 || Number.isInteger(value)) return String(value);
  return written(value, digits).replace(".", DECIMAL_MARK);
}

/** A share as a percentage, with as many digits. */
export function shownShare(value, digits = 4) {
  return value === null || value === undefined ? shown(value) : shown(100 * value, digits) + PERCENT_SIGN;
}

function written(value, digits) {
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e6 ? value.toExponential(2).replace(/\.?0+e/, "e") : String(Number(value.toPrecision(digits)));
}

/** Rows as uPlot wants them: the steps, then one list per key; only steps with a number. */
export function columns(rows, keys) {
  const known = rows.filter((row) => keys.some((key) => (row.values[key] ?? null) !== null));
  return [known.map((row) => row.step), ...keys.map((key) => known.map((row) => row.values[key] ?? null))];
}

/** Where the level lines stand: at a value, or where a number stood at the first step with one. */
export function levels(references, rows) {
  const first = (key) => rows.map((row) => row.values[key] ?? null).find((value) => value !== null);
  return references
    .map(({ value, first: key }) => value ?? (key === null ? undefined : first(key)))
    .filter((value) => value !== undefined);
}

/** The range of the vertical axis: what is drawn and what it is seen against, with some room. */
export function extent(low, high, marks) {
  const values = [low, high, ...marks].filter((value) => value !== null && value !== undefined);
  if (values.length === 0) return [0, 1];
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (least === 0 && most === 0) return [0, 1]; // most often a share, which is never below
  const room = least === most ? Math.abs(least) / 10 : (most - least) / 20;
  return [least - room, most + room];
}

/** Whether rows that are shown were taken back: a resumed run reports them again. */
export function isVoid(rows, news, last) {
  const end = rows.at(-1);
  if (!end) return false;
  return (last ?? -1) < end.step || news.some((row) => row.attempt > end.attempt);
}
