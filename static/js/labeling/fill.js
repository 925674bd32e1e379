// Ranks from ratings, as pure data. No DOM here.
import { emptyBoard } from "./board.js";

// Whether each response that can be judged has a rating.
export function isRated(work, ids) {
  const judged = judgedOf(work, ids);
  return judged.length > 0 && judged.every((id) => work.items[id].rating !== null);
}

// The work with its ranks in the order of its ratings, the highest first; equal ratings share a row.
export function filledFromRatings(work, ids) {
  const judged = judgedOf(work, ids);
  const ratings = [...new Set(judged.map((id) => work.items[id].rating))].sort((one, other) => other - one);
  const board = emptyBoard(ids.length);
  ratings.forEach((rating, row) => {
    board.rows[row] = judged.filter((id) => work.items[id].rating === rating);
  });
  return { ...work, board, origin: "from_ratings" };
}

export function judgedOf(work, ids) {
  return ids.filter((id) => work.items[id].cannotJudge === null);
}
