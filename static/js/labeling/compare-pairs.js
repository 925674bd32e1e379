// Which two responses to compare next, and what an answer means for the board. Pure data, no DOM.
import { place, placeBetween, rowOf } from "./board.js";
import { t } from "../words.js";

// Neighbors on the board that were not compared yet, the best first; then any other two; null when all were.
export function nextPair(board, ids, answers) {
  const isAnswered = ([i, j]) => answers.some(({ left, right }) => (left === i && right === j) || (left === j && right === i));
  const ranked = board.rows.flat();
  const neighbors = ranked.slice(1).map((id, index) => [ranked[index], id]);
  const others = ids.flatMap((i, index) => ids.slice(index + 1).map((j) => [i, j]));
  return [...neighbors, ...others].find((pair) => !isAnswered(pair)) ?? null;
}

// Where the board says something else than the answer: {better, worse, isTie, board} with the board as the answer
// wants it. null when they agree, when it decides nothing, or when one of the two has no rank.
export function contradiction(board, { left, right, answer }) {
  const [rowOfLeft, rowOfRight] = [rowOf(board, left), rowOf(board, right)];
  if (answer === "undecided" || rowOfLeft === -1 || rowOfRight === -1) {
    return null;
  }
  if (answer === "tie") {
    return rowOfLeft === rowOfRight ? null : { better: left, worse: right, isTie: true, board: place(board, left, rowOfRight) };
  }
  const [better, worse] = answer === "left" ? [left, right] : [right, left];
  const [rowOfBetter, rowOfWorse] = answer === "left" ? [rowOfLeft, rowOfRight] : [rowOfRight, rowOfLeft];
  return rowOfBetter < rowOfWorse ? null : { better, worse, isTie: false, board: placeBetween(board, better, rowOfWorse) };
}

// What the contradiction offers to do, with the letters of the two.
export function moveText(better, worse, isTie) {
  return isTie ? t("Put {better} beside {worse}", { better, worse }) : t("Put {better} above {worse}", { better, worse });
}
