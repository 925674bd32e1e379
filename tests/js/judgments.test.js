import assert from "node:assert/strict";
import { test } from "node:test";
import { place } from "../../static/js/labeling/board.js";
import {
  emptyWork, isComplete, missingText, rate, restoredWork, setCannotJudge, setFlag, submission, withBoard, withItem,
} from "../../static/js/labeling/judgments.js";

const IDS = [7, 8];
const LETTERS = new Map([[7, "A"], [8, "B"]]);
const ranked = (work, id, row) => withBoard(work, place(work.board, id, row));

test("untouched work is not complete and says what is missing", () => {
  assert.equal(isComplete(emptyWork(IDS), IDS), false);
  assert.equal(missingText(emptyWork(IDS), LETTERS), "2 not rated; 2 not ranked");
});

test("work is complete when every response is rated and ranked", () => {
  const rated = rate(rate(emptyWork(IDS), 7, 6), 8, 2);
  const work = ranked(ranked(rated, 7, 0), 8, 1);

  assert.equal(missingText(rated, LETTERS), "2 not ranked");
  assert.equal(isComplete(work, IDS), true);
  assert.equal(missingText(work, LETTERS), "Ready to submit");
});

test("the few responses that lack something are named", () => {
  const work = ranked(rate(emptyWork(IDS), 7, 6), 8, 0);

  assert.equal(missingText(work, LETTERS), "B not rated; A not ranked");
});

test("more than three responses are counted", () => {
  const letters = new Map([[1, "A"], [2, "B"], [3, "C"], [4, "D"], [5, "E"]]);
  const work = rate(emptyWork([...letters.keys()]), 2, 6);

  assert.equal(missingText(work, letters), "4 not rated; 5 not ranked");
});

test("a response that cannot be judged leaves the board and needs no rating", () => {
  const work = setCannotJudge(ranked(ranked(rate(emptyWork(IDS), 7, 6), 7, 0), 8, 0), 8, true);

  assert.deepEqual(work.board.rows, [[7], []]);
  assert.equal(isComplete(work, IDS), true);
});

test("a submission has dense ranks and leaves out what is empty", () => {
  const flagged = setFlag(rate(rate(emptyWork(IDS), 7, 6), 8, 2), 7, "hallucination", true);
  const work = withItem(ranked(ranked(flagged, 7, 1), 8, 1), 8, { note: " cut off " });

  assert.deepEqual(submission(work, IDS), {
    responses: [
      { id: 7, rank: 1, rating: 6, flags: ["hallucination"] },
      { id: 8, rank: 1, rating: 2, flags: [], note: "cut off" },
    ],
  });
});

test("a submission marks what cannot be judged and gives it no rank", () => {
  const work = setCannotJudge(ranked(rate(emptyWork(IDS), 7, 6), 7, 0), 8, true);

  assert.deepEqual(submission(work, IDS).responses[1], {
    id: 8, rank: null, rating: null, flags: [], cannot_judge: true,
  });
});

test("a flag can be taken back and is never named twice", () => {
  const twice = setFlag(setFlag(emptyWork(IDS), 7, "opinion", true), 7, "opinion", true);

  assert.deepEqual(twice.items[7].flags, ["opinion"]);
  assert.deepEqual(setFlag(twice, 7, "opinion", false).items[7].flags, []);
});

test("stored work comes back, and what is damaged in it is dropped", () => {
  const work = ranked(rate(emptyWork(IDS), 7, 6), 7, 0);
  const damaged = { items: { 7: { rating: 9, flags: "x", note: 3 } }, board: 4, note: null };

  assert.deepEqual(restoredWork(JSON.parse(JSON.stringify(work)), IDS), work);
  assert.deepEqual(restoredWork(damaged, IDS), emptyWork(IDS));
  assert.deepEqual(restoredWork(null, IDS), emptyWork(IDS));
});
