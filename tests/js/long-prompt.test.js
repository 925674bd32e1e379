import assert from "node:assert/strict";
import { test } from "node:test";
import { betweenEnds } from "../../static/js/labeling/long-prompt.js";

test("a prompt of up to 4,000 characters is shown whole", () => {
  assert.deepEqual(betweenEnds(Array(40).fill(100)), []);
});

test("of a longer one the first and the last 1,200 characters are shown", () => {
  assert.deepEqual(betweenEnds([1200, 400, 1201, 1200]), [1, 2]);
  assert.deepEqual(betweenEnds([1199, 401, 1201, 1200]), [2]);
  assert.deepEqual(betweenEnds([1200, 400, 1202, 1199]), [1]);
});

test("a block that cannot be cut is shown", () => {
  assert.deepEqual(betweenEnds([1_000_000]), []);
  assert.deepEqual(betweenEnds([]), []);
});
