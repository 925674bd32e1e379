import assert from "node:assert/strict";
import { test } from "node:test";
import { columns, extent, isVoid, levels, shown, shownShare } from "../../static/js/curve-data.js";

test("only steps with one of the numbers are drawn", () => {
  const rows = [
    { step: 0, values: { "loss/reward": 0.7 } },
    { step: 1, values: { "loss/ptx": 1 } },
    { step: 2, values: { "loss/reward": null } },
    { step: 3, values: { "loss/reward": 0.6, "loss/validation": 0.65 } },
  ];

  const drawn = columns(rows, ["loss/reward", "loss/validation"]);

  assert.deepEqual(drawn, [[0, 3], [0.7, 0.6], [null, 0.65]]);
});

test("numbers have four significant digits", () => {
  assert.equal(shown(0.123456), "0.1235");
  assert.equal(shown(12.3456), "12.35");
  assert.equal(shown(0.14975, 8), "0.14975");
});

test("whole numbers stay whole", () => {
  assert.equal(shown(0), "0");
  assert.equal(shown(128), "128");
});

test("very small and very large numbers have an exponent", () => {
  assert.equal(shown(9.65e-6), "9.65e-6");
  assert.equal(shown(1234567.5), "1.23e+6");
  assert.equal(shown(0.0008), "8e-4");
  assert.equal(shown(1.5e-8), "1.5e-8");
});

test("shares are percentages", () => {
  assert.equal(shownShare(0.726049), "72.6%");
  assert.equal(shownShare(1), "100%");
  assert.equal(shownShare(null), "–");
});

test("numbers have the decimal mark of the page's language", async () => {
  globalThis.document = { documentElement: { lang: "de" } };
  const german = await import("../../static/js/curve-data.js?german");
  delete globalThis.document;

  assert.equal(german.shown(0.25), "0,25");
  assert.equal(german.shown(9.65e-6), "9,65e-6");
  assert.equal(german.shownShare(0.255), "25,5\u00a0%");
});

test("what is undefined is a dash", () => {
  assert.equal(shown(null), "–");
  assert.equal(shown(undefined), "–");
});

test("a level line stands at its value or where a number first stood", () => {
  const rows = [
    { step: 0, values: { "loss/ptx": 1 } },
    { step: 1, values: { "response/length": 40 } },
    { step: 2, values: { "response/length": 55 } },
  ];
  const references = [
    { value: 0, first: null },
    { value: null, first: "response/length" },
    { value: null, first: "objective/kl" },
  ];

  assert.deepEqual(levels(references, rows), [0, 40]);
});

test("the axis reaches from the least to the greatest of curve and marks, with room", () => {
  assert.deepEqual(extent(0.5, 0.7, [0.9]), [0.48, 0.92]);
  assert.deepEqual(extent(2, 4, [3]), [1.9, 4.1]);
  assert.deepEqual(extent(5, 5, []), [4.5, 5.5]);
  assert.deepEqual(extent(null, null, []), [0, 1]);
  assert.deepEqual(extent(0, 0, []), [0, 1]);
  assert.deepEqual(extent(0, 0, [-1]), [-1.05, 0.05]);
});

test("rows are void when a resumed run went back or reports them again", () => {
  const shown = [{ step: 4, attempt: 1 }];

  assert.equal(isVoid([], [{ step: 0, attempt: 2 }], 0), false);
  assert.equal(isVoid(shown, [{ step: 5, attempt: 1 }], 5), false);
  assert.equal(isVoid(shown, [], 4), false);
  assert.equal(isVoid(shown, [], 2), true);
  assert.equal(isVoid(shown, [], null), true);
  assert.equal(isVoid(shown, [{ step: 5, attempt: 2 }], 5), true);
});
