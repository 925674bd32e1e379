import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { answer, goesOn, question, remaining, shuffled, start, undo } from "../../static/js/labeling/guided.js";

const { vectors } = JSON.parse(readFileSync(new URL("../vectors.json", import.meta.url), "utf8"));
const { input, expected } = vectors.find(({ id }) => id === "V30");
const order = [...input.insertion_order];

// Answers by true rows, 1 is best, until nothing is asked any more.
function sorted(ids, rowOf, options) {
  let state = start(ids, options);
  while (question(state)) {
    const { left, right } = question(state);
    const given = rowOf(left) === rowOf(right) ? "tie" : rowOf(left) < rowOf(right) ? "left" : "right";
    const before = remaining(state);
    state = answer(state, given);
    assert.ok(remaining(state) < before, "each answer brings the end nearer");
  }
  return state;
}

function permutations(ids) {
  return ids.length < 2 ? [ids] : ids.flatMap((id) => permutations(ids.filter((other) => other !== id)).map((rest) => [id, ...rest]));
}

// How many questions it takes to bring one more response between each two of `rows` rows.
function questionsTo(rows) {
  const present = Array.from({ length: rows }, (_, index) => [index]);
  return Array.from({ length: rows + 1 }, (_, place) => sorted([-1], (id) => (id === -1 ? place - 0.5 : id), { rows: present }).asked);
}

test("the worked run with ties takes twelve questions", () => {
  const { buckets, questions } = expected.worked;
  const state = sorted(order, (id) => input.true_buckets[id]);

  assert.equal(state.asked, questions);
  assert.deepEqual(state.rows.map((row) => row.toSorted().join("")), buckets);
  assert.equal(remaining(state), 0);
});

test("without ties no order takes more questions than the worst case, and one takes as many", () => {
  for (const [count, { binary_insertion_worst: worst }] of Object.entries(expected.by_K)) {
    const each = Array.from({ length: Number(count) - 1 }, (_, index) => questionsTo(index + 1));
    const most = each.reduce((sum, those) => sum + Math.max(...those), 0);

    assert.equal(most, worst);
    assert.equal(remaining(start(order.slice(0, Number(count)))), worst);
  }
});

test("all orders of six responses are sorted, with eleven questions at most", () => {
  const runs = permutations([..."abcdef"]).map((ids) => sorted(ids, (id) => id.codePointAt(0)));

  assert.ok(runs.every(({ rows }) => rows.flat().join("") === "abcdef"));
  assert.equal(Math.max(...runs.map(({ asked }) => asked)), expected.by_K[6].binary_insertion_worst);
});

test("nine responses without ties take 18.812698 questions on average", () => {
  const { mean, min, max } = expected.binary_insertion_K9_no_ties;
  // In a random order, each place among the rows so far is equally likely.
  const each = Array.from({ length: 8 }, (_, index) => questionsTo(index + 1));
  const sum = (pick) => each.reduce((total, those) => total + pick(those), 0);

  assert.ok(Math.abs(sum((those) => those.reduce((a, b) => a + b) / those.length) - mean) < 1e-6);
  assert.deepEqual([sum((those) => Math.min(...those)), sum((those) => Math.max(...those))], [min, max]);
});

test("what is ranked already stays, and only the others are asked about", () => {
  const state = sorted(["b", "d"], (id) => id.codePointAt(0), { rows: [["a"], [], ["c"], []] });

  assert.deepEqual(state.rows, [["a"], ["b"], ["c"], ["d"]]);
  assert.equal(question(start([], { rows: [["a"], ["b"]] })), null);
  assert.equal(question(start(["a"])), null);
});

test("who cannot decide gets a tie, and where ties are not allowed a row below", () => {
  const undecided = (options) => answer(start(["a", "b"], options), "undecided");

  assert.deepEqual(undecided().rows, [["a", "b"]]);
  assert.deepEqual(undecided({ allowsTies: false }).rows, [["a"], ["b"]]);
  assert.equal(question(undecided()), null);
});

test("a response keeps its side until it is ranked, then the next one is on the other", () => {
  const first = question(start(["c", "x"], { rows: [["a"], ["b"]] }));
  const second = question(answer(start(["c", "x"], { rows: [["a"], ["b"]] }), "right"));

  assert.deepEqual(first, { left: "c", right: "b" });
  assert.deepEqual(second, { left: "b", right: "x" });
  assert.deepEqual(question(answer(start(["c", "x"], { rows: [["a"], ["b"]] }), "left")), { left: "c", right: "a" });
});

test("answers can be undone to the first", () => {
  const first = start(["a", "b", "c"]);
  const later = answer(answer(first, "left"), "tie");

  assert.equal(undo(undo(later)), first);
  assert.equal(undo(first), first);
});

test("a state goes on only where nothing was moved", () => {
  const state = answer(start(["a", "b", "c"]), "right");

  assert.equal(goesOn(state, { rows: [[], ["a"], ["b"]], unranked: ["c"] }), true);
  assert.equal(goesOn(state, { rows: [["b"], ["a"], []], unranked: ["c"] }), false);
  assert.equal(goesOn(state, { rows: [["a"], ["b"], []], unranked: [] }), false);
});

test("the order is shuffled without losing anything", () => {
  assert.deepEqual(shuffled([1, 2, 3, 4], () => 0.999), [1, 2, 3, 4]);
  assert.deepEqual(shuffled([1, 2, 3, 4], () => 0), [2, 3, 4, 1]);
});
