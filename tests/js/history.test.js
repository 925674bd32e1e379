import assert from "node:assert/strict";
import { test } from "node:test";
import { place } from "../../static/js/labeling/board.js";
import { emptyHistory, recorded, redo, restoredHistory, undo } from "../../static/js/labeling/history.js";
import { emptyWork, rate, setCannotJudge, setCannotRank, setTaskFlag, withBoard, withItem } from "../../static/js/labeling/judgments.js";

const IDS = [7, 8];
const START = emptyWork(IDS);

// Does the changes one after the other; returns the work after each, and the history.
function did(...changes) {
  const works = [START];
  let history = emptyHistory();
  for (const [label, change, isTyping] of changes) {
    const after = change(works.at(-1));
    history = recorded(history, works.at(-1), after, { label, isTyping });
    works.push(after);
  }
  return { works, history };
}

const RATED = ["A rated 5", (work) => rate(work, 7, 5)];
const RANKED = ["A to rank 2", (work) => withBoard(work, place(work.board, 7, 1))];
const typed = (note) => ["note on B", (work) => withItem(work, 8, { note }), true];

test("undo goes back through everything in order, redo forth again", () => {
  const { works, history } = did(RATED, RANKED, ["B not judged", (work) => setCannotJudge(work, 8, "empty")]);

  let at = { history, work: works[3] };
  for (const expected of [works[2], works[1], works[0]]) {
    at = undo(at.history, at.work, IDS);
    assert.deepEqual(at.work, expected);
  }
  assert.equal(undo(at.history, at.work, IDS), null);
  for (const expected of works.slice(1)) {
    at = redo(at.history, at.work, IDS);
    assert.deepEqual(at.work, expected);
  }
  assert.equal(redo(at.history, at.work, IDS), null);
});

test("a step is undone by its name", () => {
  const { works, history } = did(RATED, RANKED);

  assert.equal(undo(history, works[2], IDS).label, "A to rank 2");
});

test("a change after undo takes away what could be redone", () => {
  const { works, history } = did(RATED, RANKED);
  const back = undo(history, works[2], IDS);
  const changed = rate(back.work, 8, 1);
  const branched = recorded(back.history, back.work, changed, { label: "B rated 1" });

  assert.equal(redo(branched, changed, IDS), null);
  assert.deepEqual(undo(branched, changed, IDS).work, works[1]);
});

test("typing is one step until something else happens", () => {
  const { works, history } = did(typed("a"), typed("ab"), RATED, typed("abc"));

  assert.deepEqual(history.done.map(({ label }) => label), ["note on B", "A rated 5", "note on B"]);
  const once = undo(history, works[4], IDS);
  assert.equal(once.work.items[8].note, "ab");
  const thrice = undo(undo(once.history, once.work, IDS).history, once.work, IDS);
  assert.equal(thrice.work.items[8].note, "");
});

test("typing after undo does not go on in the step before", () => {
  const { works, history } = did(typed("a"), RATED);
  const back = undo(history, works[2], IDS);
  const changed = withItem(back.work, 8, { note: "ab" });
  const branched = recorded(back.history, back.work, changed, { label: "note on B", isTyping: true });

  assert.equal(undo(branched, changed, IDS).work.items[8].note, "a");
});

test("the oldest of more than 300 steps are forgotten", () => {
  const { history } = did(...Array.from({ length: 310 }, (_, at) => [`A rated, ${at}`, (work) => rate(work, 7, 1 + (at % 7))]));

  assert.equal(history.done.length, 300);
  assert.equal(history.done[0].label, "A rated, 10");
});

test("a history survives being stored", () => {
  const { works, history } = did(RATED, RANKED);
  const stored = JSON.parse(JSON.stringify({ work: works[2], history }));

  assert.deepEqual(undo(restoredHistory(stored.history), stored.work, IDS).work, works[1]);
});

test("a damaged history is empty, and damaged parts change nothing", () => {
  for (const saved of [null, 3, {}, { done: [] }, { done: [{ label: 1 }], undone: [] }, { done: "x", undone: [] }]) {
    assert.deepEqual(restoredHistory(saved), emptyHistory());
  }
  const damaged = restoredHistory({ done: [{ label: "x", from: { board: 3, items: { 7: 4, 99: {} } }, to: {} }], undone: [] });
  assert.deepEqual(undo(damaged, START, IDS).work, START);
});

test("what is said of the whole task, and where its ranks come from, can be undone too", () => {
  const { works, history } = did(
    ["flag", (work) => setTaskFlag(work, "unclear", true)],
    ["cannot rank", (work) => setCannotRank(work, "incomparable")],
    ["guided", (work) => ({ ...withBoard(work, place(work.board, 7, 0)), origin: "guided" })],
  );

  let at = { history, work: works[3] };
  for (const expected of [works[2], works[1], works[0]]) {
    at = undo(at.history, at.work, IDS);
    assert.deepEqual(at.work, expected);
  }
});
