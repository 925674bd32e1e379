import assert from "node:assert/strict";
import { test } from "node:test";
import {
  denseRanks, emptyBoard, place, placeBetween, restoredBoard, rowOf, shift, shiftToNewRow, tieWithLast, unrank,
} from "../../static/js/labeling/board.js";

const boardOf = (...rows) => ({ rows, last: null });

test("a board starts with as many empty rows as responses", () => {
  assert.deepEqual(emptyBoard(3), { rows: [[], [], []], last: null });
});

test("placing moves a response out of its old row", () => {
  const board = place(place(emptyBoard(3), 7, 0), 7, 2);

  assert.deepEqual(board.rows, [[], [], [7]]);
});

test("placing leaves the board that it was given as it was", () => {
  const before = boardOf([7], [], []);

  place(before, 7, 2);

  assert.deepEqual(before.rows, [[7], [], []]);
});

test("a row that does not exist takes nothing", () => {
  const board = boardOf([7], [8]);

  assert.equal(place(board, 7, 2), board);
  assert.equal(place(board, 7, -1), board);
});

test("two responses in one row are a tie and share a rank", () => {
  const ranks = denseRanks(boardOf([7, 8], [], [9]));

  assert.deepEqual([...ranks], [[7, 1], [8, 1], [9, 2]]);
});

test("a tie joins the row of the response that was placed last", () => {
  const board = tieWithLast(place(place(emptyBoard(3), 7, 2), 8, 1), 9);

  assert.deepEqual(board.rows, [[], [8, 9], [7]]);
});

test("a tie with nothing or with itself changes nothing", () => {
  const placed = place(emptyBoard(2), 7, 0);

  assert.deepEqual(tieWithLast(emptyBoard(2), 7), emptyBoard(2));
  assert.deepEqual(tieWithLast(placed, 7), placed);
  assert.deepEqual(tieWithLast(unrank(placed, 7), 8).rows, [[], []]);
});

test("a new row between takes the next empty row's place", () => {
  const board = placeBetween(boardOf([1], [2], [], [3]), 4, 1);

  assert.deepEqual(board.rows, [[1], [4], [2], [3]]);
});

test("a new row at the end takes an empty row's place before it", () => {
  const board = placeBetween(boardOf([], [1], [2]), 3, 3);

  assert.deepEqual(board.rows, [[1], [2], [3]]);
});

test("a new row for the only member of a full board keeps the number of rows", () => {
  const board = placeBetween(boardOf([1], [2], [3]), 3, 0);

  assert.deepEqual(board.rows, [[3], [1], [2]]);
});

test("moving stops at the ends", () => {
  const board = boardOf([1], [2]);

  assert.equal(shift(board, 1, -1), board);
  assert.deepEqual(shift(board, 1, 1).rows, [[], [2, 1]]);
  assert.equal(shift(boardOf([], []), 1, 1).rows.flat().length, 0);
});

test("moving apart breaks a tie upwards and downwards", () => {
  const tied = boardOf([1, 2], [], [3]);

  assert.deepEqual(shiftToNewRow(tied, 2, -1).rows, [[2], [1], [3]]);
  assert.deepEqual(shiftToNewRow(tied, 1, 1).rows, [[2], [1], [3]]);
});

test("moving apart without a tie is an ordinary move", () => {
  assert.deepEqual(shiftToNewRow(boardOf([1], [], []), 1, 1).rows, [[], [1], []]);
});

test("back in the tray a response has no row and no rank", () => {
  const board = unrank(boardOf([1], [2]), 1);

  assert.equal(rowOf(board, 1), -1);
  assert.deepEqual([...denseRanks(board)], [[2, 1]]);
});

test("a stored board comes back only if it fits the task", () => {
  const saved = { rows: [[8], [7]], last: 8 };

  assert.deepEqual(restoredBoard(saved, [7, 8]), saved);
  assert.deepEqual(restoredBoard(saved, [7, 9]), emptyBoard(2));
  assert.deepEqual(restoredBoard(saved, [7, 8, 9]), emptyBoard(3));
  assert.deepEqual(restoredBoard({ rows: [[7], [7]], last: 7 }, [7, 8]), emptyBoard(2));
  assert.deepEqual(restoredBoard({ rows: [7, 8], last: null }, [7, 8]), emptyBoard(2));
  assert.deepEqual(restoredBoard(undefined, [7, 8]), emptyBoard(2));
});
