import assert from "node:assert/strict";
import { test } from "node:test";
import { columns, shown } from "../../static/js/curve-data.js";

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
});

test("whole numbers stay whole", () => {
  assert.equal(shown(0), "0");
  assert.equal(shown(128), "128");
});

test("very small and very large numbers have an exponent", () => {
  assert.equal(shown(9.65e-6), "9.65e-6");
  assert.equal(shown(1234567.5), "1.23e+6");
});

test("what is undefined is a dash", () => {
  assert.equal(shown(null), "–");
  assert.equal(shown(undefined), "–");
});
