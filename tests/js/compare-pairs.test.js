import assert from "node:assert/strict";
import { test } from "node:test";
import { contradiction, nextPair } from "../../static/js/labeling/compare-pairs.js";

const IDS = [1, 2, 3, 4];
const boardOf = (...rows) => ({ rows: [...rows, ...Array(4 - rows.length).fill([])], last: null });
const answered = (left, right, answer = "left") => ({ left, right, answer });

test("neighbors on the board come first, then all others, each once and in either order", () => {
  const board = boardOf([3], [1, 2]);

  assert.deepEqual(nextPair(board, IDS, []), [3, 1]);
  assert.deepEqual(nextPair(board, IDS, [answered(1, 3)]), [1, 2]);
  assert.deepEqual(nextPair(board, IDS, [answered(1, 3), answered(1, 2)]), [1, 4]);
  const all = IDS.flatMap((i) => IDS.filter((j) => j > i).map((j) => answered(i, j)));
  assert.equal(nextPair(board, IDS, all), null);
  assert.deepEqual(nextPair(boardOf(), IDS, []), [1, 2]);
});

test("an answer that the board agrees with changes nothing", () => {
  const board = boardOf([3], [1, 2]);

  assert.equal(contradiction(board, answered(3, 1, "left")), null);
  assert.equal(contradiction(board, answered(1, 3, "right")), null);
  assert.equal(contradiction(board, answered(1, 2, "tie")), null);
  assert.equal(contradiction(board, answered(1, 3, "undecided")), null);
  assert.equal(contradiction(board, answered(1, 4, "left")), null);
});

test("the better one goes directly above the other, also out of a tie", () => {
  const { better, worse, board } = contradiction(boardOf([3], [2], [1]), answered(1, 3, "left"));

  assert.deepEqual([better, worse], [1, 3]);
  assert.deepEqual(board.rows.filter((row) => row.length), [[1], [3], [2]]);
  const apart = contradiction(boardOf([3], [1, 2]), answered(1, 2, "right"));
  assert.deepEqual(apart.board.rows.filter((row) => row.length), [[3], [2], [1]]);
});

test("a tie puts the left one beside the right one", () => {
  const { isTie, board } = contradiction(boardOf([3], [1, 2]), answered(3, 1, "tie"));

  assert.equal(isTie, true);
  assert.deepEqual(board.rows.filter((row) => row.length), [[1, 2, 3]]);
});
