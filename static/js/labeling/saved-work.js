// Work that was stored, in this browser or elsewhere: it may be damaged, or of another task. No DOM here.
import { restoredBoard } from "./board.js";

const ORIGINS = ["manual", "from_ratings", "guided"];

// Stored work, kept only as far as it fits this task's responses.
export function restoredWork(saved, ids) {
  return {
    board: restoredBoard(saved?.board, ids),
    items: Object.fromEntries(ids.map((id) => [id, restoredItem(saved?.items?.[id])])),
    note: textOr(saved?.note, ""),
    flags: texts(saved?.flags),
    cannotRank: textOr(saved?.cannotRank, null),
    origin: ORIGINS.includes(saved?.origin) ? saved.origin : "manual",
  };
}

function restoredItem(saved) {
  return {
    rating: [1, 2, 3, 4, 5, 6, 7].includes(saved?.rating) ? saved.rating : null,
    flags: texts(saved?.flags),
    notFlagged: texts(saved?.notFlagged),
    note: textOr(saved?.note, ""),
    cannotJudge: textOr(saved?.cannotJudge, null),
  };
}

function texts(value) {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

function textOr(value, other) {
  return typeof value === "string" ? value : other;
}
