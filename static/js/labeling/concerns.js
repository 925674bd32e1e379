// What may be a slip in complete work, as pure data: {kind, ids, text}. None of it is an error: a labeler who
// means it submits once more. No DOM here.
import { rowOf } from "./board.js";
import { t, tn } from "../words.js";

const MAX_WORDS_PER_MINUTE = 1000; // More is not reading.
const MIN_WORDS = 100;

// `unopened` are the responses that are folded and never were unfolded; `words` counts the prompt and all responses;
// `gap` is from which difference of ratings on an order that contradicts them is mentioned, null for never.
export function concernsOf(work, letters, { unopened, words, activeMs, gap = 2 }) {
  const ids = [...letters.keys()];
  const found = [
    ...ids.flatMap((better) => ids.map((worse) => conflictOf(work, letters, { better, worse, gap }))),
    ...unopened.map((id) => ({ kind: "unopened", ids: [id], text: t("Response {letter} was never fully opened.", { letter: letters.get(id) }) })),
    allTied(work, ids),
    tooFast(words, activeMs),
  ];
  return found.filter((concern) => concern !== null);
}

// Two concerns are the same when they are of one kind and about the same responses.
export function nameOf({ kind, ids }) {
  return [kind, ...ids].join(" ");
}

// What is stored of all concerns that were shown: those that still hold were kept, the others led to a change.
export function warningsOf(shown, holding) {
  const kept = new Set(holding.map(nameOf));
  return shown.map((concern) => ({
    kind: concern.kind,
    responses: concern.ids,
    action: kept.has(nameOf(concern)) ? "kept" : "changed",
  }));
}

function conflictOf(work, letters, { better, worse, gap }) {
  const [high, low] = [work.items[better].rating, work.items[worse].rating];
  const [rowOfBetter, rowOfWorse] = [rowOf(work.board, better), rowOf(work.board, worse)];
  if (gap === null || high === null || low === null || rowOfBetter === -1 || rowOfWorse === -1) {
    return null;
  }
  const rated = { better: letters.get(better), high, worse: letters.get(worse), low };
  if (high - low >= gap && rowOfBetter > rowOfWorse) {
    const text = t("You rated {better} {high} and {worse} {low}, but {worse} is ranked above {better}.", rated);
    return { kind: "conflict", ids: [better, worse], text };
  }
  // A tie contradicts less than an order does.
  if (high - low > gap && rowOfBetter === rowOfWorse) {
    const text = t("You rated {better} {high} and {worse} {low}, but they share a rank.", rated);
    return { kind: "soft_conflict", ids: [better, worse], text };
  }
  return null;
}

function allTied(work, ids) {
  const rows = new Set(ids.map((id) => rowOf(work.board, id)).filter((row) => row !== -1));
  const ranked = ids.filter((id) => rowOf(work.board, id) !== -1);
  const isTied = rows.size === 1 && ranked.length > 1 && work.cannotRank === null;
  return isTied ? { kind: "all_tied", ids: [], text: t("All responses share one rank. Is that right?") } : null;
}

function tooFast(words, activeMs) {
  const isFast = words >= MIN_WORDS && words / (activeMs / 60_000) > MAX_WORDS_PER_MINUTE;
  const seconds = Math.max(1, Math.round(activeMs / 1000));
  const text = tn({
    one: "{count} second is very short for {words} words.", other: "{count} seconds are very short for {words} words.",
  }, seconds, { words });
  return isFast ? { kind: "fast", ids: [], text } : null;
}
