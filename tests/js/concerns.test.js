import assert from "node:assert/strict";
import { test } from "node:test";
import { place } from "../../static/js/labeling/board.js";
import { concernsOf, warningsOf } from "../../static/js/labeling/concerns.js";
import { emptyWork, rate, setCannotJudge, withBoard } from "../../static/js/labeling/judgments.js";

const LETTERS = new Map([[7, "A"], [8, "B"], [9, "C"]]);
const CALM = { unopened: [], words: 300, activeMs: 120_000 };

// Work from {id: [rating, row]}.
function judged(of) {
  return Object.entries(of).reduce((work, [id, [rating, row]]) => {
    const rated = rate(work, Number(id), rating);
    return withBoard(rated, place(rated.board, Number(id), row));
  }, emptyWork([...LETTERS.keys()]));
}

const texts = (work, facts) => concernsOf(work, LETTERS, { ...CALM, ...facts }).map(({ text }) => text);

test("a rank against a rating gap of two is a conflict, against one it is not", () => {
  assert.deepEqual(texts(judged({ 7: [6, 1], 8: [3, 0], 9: [2, 2] })), ["You rated A 6 and B 3, but B is ranked above A."]);
  assert.deepEqual(texts(judged({ 7: [5, 0], 8: [6, 1], 9: [2, 2] })), []);
});

test("a tie against a rating gap of three is mentioned, against two it is not", () => {
  assert.deepEqual(texts(judged({ 7: [6, 0], 8: [3, 0], 9: [2, 1] })), ["You rated A 6 and B 3, but they share a rank."]);
  assert.deepEqual(texts(judged({ 7: [6, 0], 8: [4, 0], 9: [2, 1] })), []);
});

test("a response that cannot be judged conflicts with nothing", () => {
  const work = setCannotJudge(judged({ 7: [1, 0], 8: [7, 1], 9: [1, 2] }), 8, true);

  assert.deepEqual(texts(work), []);
});

test("a board of ties is asked about", () => {
  assert.deepEqual(texts(judged({ 7: [4, 1], 8: [4, 1], 9: [4, 1] })), ["All responses share one rank. Is that right?"]);
});

test("what was never opened and too little time are mentioned", () => {
  const work = judged({ 7: [6, 0], 8: [3, 1], 9: [2, 2] });

  assert.deepEqual(texts(work, { unopened: [9], words: 900, activeMs: 12_000 }), [
    "Response C was never fully opened.", "12 seconds are very short for 900 words.",
  ]);
  assert.deepEqual(texts(work, { words: 900, activeMs: 60_000 }), []);
  assert.deepEqual(texts(work, { words: 40, activeMs: 500 }), []);
});

test("what was shown is stored with what the labeler did", () => {
  const before = concernsOf(judged({ 7: [6, 1], 8: [3, 0], 9: [2, 2] }), LETTERS, { ...CALM, unopened: [9] });
  const after = concernsOf(judged({ 7: [6, 0], 8: [3, 1], 9: [2, 2] }), LETTERS, { ...CALM, unopened: [9] });

  assert.deepEqual(warningsOf(before, after), [
    { kind: "conflict", responses: [7, 8], action: "changed" },
    { kind: "unopened", responses: [9], action: "kept" },
  ]);
});
