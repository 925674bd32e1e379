// A labeler's work on one task as pure data: the board, and per response a rating, flags, a note and
// whether it cannot be judged. Nothing has a value before the labeler gave it one. No DOM here.
import { denseRanks, emptyBoard, isRanked, restoredBoard, unrank } from "./board.js";

const MAX_NAMED = 3;
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

// The first response that lacks something, if one does.
export function firstIncomplete(work, ids) {
  const { unrated, unranked } = missing(work, ids);
  return ids.find((id) => unrated.includes(id) || unranked.includes(id));
}

export function isComplete(work, ids) {
  return firstIncomplete(work, ids) === undefined;
}

// "C, E not rated; F not ranked"; many of them, or all, are only counted.
export function missingText(work, letters) {
  const ids = [...letters.keys()];
  const { unrated, unranked } = missing(work, ids);
  const named = (lacking) => {
    const isShort = lacking.length < ids.length && lacking.length <= MAX_NAMED;
    return isShort ? lacking.map((id) => letters.get(id)).join(", ") : lacking.length;
  };
  const parts = [[unrated, "not rated"], [unranked, "not ranked"]].filter(([lacking]) => lacking.length > 0);
  return parts.map(([lacking, what]) => `${named(lacking)} ${what}`).join("; ") || "Ready to submit";
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
