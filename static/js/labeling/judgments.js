// A labeler's work on one task as pure data: the board, and per response a rating, flags, a note and
// whether it cannot be judged. Nothing has a value before the labeler gave it one. No DOM here.
import { denseRanks, emptyBoard, isRanked, restoredBoard, unrank } from "./board.js";

const BLANK = { rating: null, flags: [], note: "", cannotJudge: false };

export function emptyWork(ids) {
  return { board: emptyBoard(ids.length), items: Object.fromEntries(ids.map((id) => [id, BLANK])), note: "" };
}

export function withBoard(work, board) {
  return { ...work, board };
}

export function withItem(work, id, change) {
  return { ...work, items: { ...work.items, [id]: { ...work.items[id], ...change } } };
}

export function rate(work, id, rating) {
  return withItem(work, id, { rating });
}

export function setFlag(work, id, key, isSet) {
  const others = work.items[id].flags.filter((other) => other !== key);
  return withItem(work, id, { flags: isSet ? [...others, key] : others });
}

// A response that cannot be judged leaves the board: it has no rank.
export function setCannotJudge(work, id, cannotJudge) {
  const board = cannotJudge ? unrank(work.board, id) : work.board;
  return withItem(withBoard(work, board), id, { cannotJudge });
}

// What still keeps the work from being submitted.
export function missing(work, ids) {
  const judged = ids.filter((id) => !work.items[id].cannotJudge);
  return {
    unrated: judged.filter((id) => work.items[id].rating === null),
    unranked: judged.filter((id) => !isRanked(work.board, id)),
  };
}

export function isComplete(work, ids) {
  const { unrated, unranked } = missing(work, ids);
  return unrated.length === 0 && unranked.length === 0;
}

export function missingText(work, ids) {
  const { unrated, unranked } = missing(work, ids);
  const parts = [];
  if (unrated.length > 0) {
    parts.push(`${unrated.length} not rated`);
  }
  if (unranked.length > 0) {
    parts.push(`${unranked.length} not ranked`);
  }
  return parts.join(", ") || "Ready to submit";
}

// The `responses` and `note` of the ranking call.
export function submission(work, ids) {
  const ranks = denseRanks(work.board);
  const responses = ids.map((id) => {
    const { rating, flags, note, cannotJudge } = work.items[id];
    return {
      id,
      rank: ranks.get(id) ?? null,
      rating,
      flags,
      ...(note.trim() && { note: note.trim() }),
      ...(cannotJudge && { cannot_judge: true }),
    };
  });
  return { responses, ...(work.note.trim() && { note: work.note.trim() }) };
}

// Stored work, kept only as far as it fits this task's responses.
export function restoredWork(saved, ids) {
  const items = Object.fromEntries(ids.map((id) => [id, restoredItem(saved?.items?.[id])]));
  return { board: restoredBoard(saved?.board, ids), items, note: textOr(saved?.note, "") };
}

function restoredItem(saved) {
  return {
    rating: [1, 2, 3, 4, 5, 6, 7].includes(saved?.rating) ? saved.rating : null,
    flags: Array.isArray(saved?.flags) ? saved.flags.filter((key) => typeof key === "string") : [],
    note: textOr(saved?.note, ""),
    cannotJudge: saved?.cannotJudge === true,
  };
}

function textOr(value, other) {
  return typeof value === "string" ? value : other;
}
