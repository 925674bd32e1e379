import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, question, remaining, start, undo } from "../../static/js/labeling/guided-check.js";

const rows = [["a"], ["b"], ["c"]];
const better = (state, id) => answer(state, question(state).left === id ? "left" : "right");

test("all neighbors are asked about once, and the right order stays as it is", () => {
  const first = start([["a"], [], ["b", "x"], ["c"]]);
  const last = better(better(first, "a"), "x");

  assert.deepEqual([remaining(first), remaining(last)], [2, 0]);
  assert.equal(last.rows, first.rows);
  assert.equal(question(last), null);
});

test("the other order swaps the two, and the one that went down is compared next", () => {
  const swapped = better(start(rows), "b");

  assert.deepEqual(swapped.rows, [["b"], ["a"], ["c"]]);
  assert.deepEqual(new Set(Object.values(question(swapped))), new Set(["a", "c"]));
  assert.deepEqual(better(start([["a", "b"], ["c", "d"]]), "c").rows, [["a", "c"], ["b", "d"]]);
});

test("a tie brings the lower one up, and what shared its row stays", () => {
  assert.deepEqual(answer(start(rows), "tie").rows, [["a", "b"], ["c"]]);
  assert.equal(remaining(answer(start(rows), "tie")), 1);
  assert.deepEqual(answer(start([["a"], ["b", "x"]]), "tie").rows, [["a", "b"], ["x"]]);
  assert.deepEqual(answer(start(rows, { allowsTies: false }), "tie").rows, rows);
});

test("who cannot decide changes nothing", () => {
  assert.deepEqual(answer(start(rows), "undecided").rows, rows);
});

test("there are never more questions than rows, and each can be undone", () => {
  for (const given of ["left", "right", "tie", "undecided"]) {
    let state = start([["a"], ["b"], ["c"], ["d"]]);
    const first = state;
    while (question(state)) {
      state = answer(state, given);
    }
    assert.equal(state.asked, 3);
    assert.equal(undo(undo(undo(state))), first);
  }
});
