import assert from "node:assert/strict";
import { test } from "node:test";
import { differencePlaces } from "../../static/js/labeling/difference-places.js";

const same = (text) => ({ kind: "same", text, number: null });
const deleted = (text) => ({ kind: "deleted", text, number: null });

test("what differs is found in the node that shows it, without the space around it", () => {
  assert.deepEqual(
    differencePlaces(["a big ", "cat", "\n"], [same("a "), deleted("big cat"), same("\n")]),
    [{ unit: 0, from: 2, to: 5, segment: 1 }, { unit: 1, from: 0, to: 3, segment: 1 }],
  );
});

test("two pieces in one node are two places, and the words of one piece are one", () => {
  assert.deepEqual(
    differencePlaces(["one  two three four"], [deleted("one two"), same(" three "), deleted("four")]),
    [{ unit: 0, from: 0, to: 8, segment: 0 }, { unit: 0, from: 15, to: 19, segment: 2 }],
  );
});

test("spaces and empty nodes never count, on neither side", () => {
  assert.deepEqual(differencePlaces(["", " a", "\n\n", "b "], [same(" \n a b")]), []);
  assert.deepEqual(differencePlaces([], [same(" ")]), []);
  assert.deepEqual(differencePlaces(["\n"], []), []);
});

test("another text is not marked at random", () => {
  assert.equal(differencePlaces(["a c"], [same("a b")]), null);
  assert.equal(differencePlaces(["a"], [same("a b")]), null);
  assert.equal(differencePlaces(["a b"], [same("a")]), null);
});
