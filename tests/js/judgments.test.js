import assert from "node:assert/strict";
import { test } from "node:test";
import { place } from "../../static/js/labeling/board.js";
import {
  emptyWork, isComplete, missing, missingText, rate, setCannotJudge, setCannotRank, setFlag, setTaskFlag, USUAL, withBoard, withItem,
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
  const work = setCannotJudge(ranked(ranked(rate(emptyWork(IDS), 7, 6), 7, 0), 8, 0), 8, "empty");

  assert.deepEqual(work.board.rows, [[7], []]);
  assert.equal(isComplete(work, IDS), true);
});

test("where what cannot be judged is rated 1, the rating comes and goes with the mark", () => {
  const rules = { ...USUAL, ratesUnjudged: true };
  const rated = rate(rate(emptyWork(IDS), 7, 6), 8, 5);
  const marked = setCannotJudge(rated, 8, "empty", rules);

  assert.deepEqual([marked.items[7].rating, marked.items[8].rating], [6, 1]);
  assert.equal(setCannotJudge(marked, 8, null, rules).items[8].rating, null);
  assert.equal(setCannotJudge(rated, 8, "empty").items[8].rating, 5);
});

test("a flag can be taken back and is never named twice", () => {
  const twice = setFlag(setFlag(emptyWork(IDS), 7, "opinion", true), 7, "opinion", true);

  assert.deepEqual(twice.items[7].flags, ["opinion"]);
  assert.deepEqual(setFlag(twice, 7, "opinion", null).items[7].flags, []);
});

test("where each flag needs an answer, no is one", () => {
  const rules = { ...USUAL, needsRating: false, needsRank: false, forcedFlags: ["opinion", "refusal"] };
  const half = setFlag(setFlag(emptyWork(IDS), 7, "opinion", true), 7, "refusal", false);

  assert.deepEqual(missing(half, IDS, rules).unflagged, [8]);
  assert.equal(missingText(half, LETTERS, rules), "B with open flags");
  const changed = setFlag(half, 7, "opinion", false);
  assert.deepEqual([changed.items[7].flags, changed.items[7].notFlagged], [[], ["refusal", "opinion"]]);
});

test("a flag that needs a note asks for one", () => {
  const rules = { ...USUAL, needsRating: false, needsRank: false, noteFlags: ["harm"] };
  const flagged = setFlag(emptyWork(IDS), 8, "harm", true);

  assert.equal(missingText(flagged, LETTERS, rules), "B without the note that a flag needs");
  assert.equal(isComplete(withItem(flagged, 8, { note: "step 3" }), IDS, rules), true);
});

test("where ties are not allowed, tied responses are named", () => {
  const rules = { ...USUAL, needsRating: false, allowsTies: false };
  const tied = ranked(ranked(emptyWork(IDS), 7, 1), 8, 1);

  assert.equal(isComplete(tied, IDS, rules), false);
  assert.equal(isComplete(tied, IDS, { ...rules, allowsTies: true }), true);
});

test("what cannot be ranked needs ratings only", () => {
  const rated = rate(rate(emptyWork(IDS), 7, 1), 8, 1);

  assert.equal(isComplete(setCannotRank(rated, "incomparable"), IDS), true);
});

test("a flag of the task can be set and taken back", () => {
  const work = setTaskFlag(setTaskFlag(emptyWork(IDS), "unclear", true), "unclear", true);

  assert.deepEqual(work.flags, ["unclear"]);
  assert.deepEqual(setTaskFlag(work, "unclear", false).flags, []);
});
