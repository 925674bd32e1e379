import assert from "node:assert/strict";
import { test } from "node:test";
import {
  asked, breakDue, clockText, dayFrom, freshDay, goalReached, rested, worked,
} from "../../static/js/labeling/working-day.js";

const MINUTE = 60_000;
const NOON = 1_800_000_000_000;
const day = freshDay("Monday");
const due = (record, now = NOON, afterMinutes = 50) => breakDue(record, { afterMinutes, now });

test("a break is due after so many active minutes", () => {
  assert.equal(due(worked(day, { activeMs: 50 * MINUTE - 1 })), null);
  assert.equal(due(worked(day, { activeMs: 50 * MINUTE })), "You have worked 50 minutes. Pause?");
  assert.equal(due(worked(day, { activeMs: 20 * MINUTE }), NOON, 20), "You have worked 20 minutes. Pause?");
});

test("or after 25 tasks, however quick they were", () => {
  assert.equal(due(worked(day, { activeMs: MINUTE, tasks: 24 })), null);
  assert.equal(due(worked(day, { activeMs: MINUTE, tasks: 25 })), "You have done 25 tasks. Pause?");
});

test("or after three covered tasks in half an hour", () => {
  const covered = (...minutes) => minutes.reduce((record, at) => worked(record, { coveredAt: NOON + at * MINUTE }), day);
  assert.equal(due(covered(0, 29), NOON + 29 * MINUTE), null);
  assert.equal(due(covered(0, 5, 30), NOON + 30 * MINUTE), null);
  assert.equal(due(covered(0, 5, 29), NOON + 29 * MINUTE), "You have read 3 covered tasks. Pause?");
  assert.equal(due(rested(covered(0, 5, 29), NOON + 29 * MINUTE), NOON + 60 * MINUTE), null);
});

test("where breaks are off nothing is due", () => {
  assert.equal(due(worked(day, { activeMs: 500 * MINUTE, tasks: 100 }), NOON, null), null);
});

test("it is suggested at most once in 25 minutes", () => {
  const record = asked(worked(day, { activeMs: 55 * MINUTE }), NOON);
  assert.equal(due(record, NOON + 25 * MINUTE - 1), null);
  assert.equal(due(record, NOON + 25 * MINUTE), "You have worked 55 minutes. Pause?");
});

test("after a pause everything is counted anew", () => {
  const record = rested(asked(worked(day, { activeMs: 55 * MINUTE, tasks: 30 }), NOON), NOON);
  assert.equal(due(record, NOON + 60 * MINUTE), null);
  assert.ok(due(worked(record, { activeMs: 50 * MINUTE }), NOON + 60 * MINUTE));
});

test("what is counted adds up, and is of one day", () => {
  const record = worked(worked(day, { activeMs: 1000 }), { activeMs: 500, tasks: 1 });
  assert.deepEqual(record, { day: "Monday", activeMs: 1500, tasks: 1, coveredAt: [], askedAt: null });
  assert.deepEqual(dayFrom(record, "Monday"), record);
  assert.deepEqual(dayFrom(record, "Tuesday"), freshDay("Tuesday"));
});

test("a stored record that is none of ours is not used", () => {
  for (const stored of [null, undefined, "x", 4, [], { day: "Monday" }, { day: "Monday", activeMs: "9", tasks: 1 },
    { day: "Monday", activeMs: 9, tasks: 1, coveredAt: "x" }]) {
    assert.deepEqual(dayFrom(stored, "Monday"), day);
  }
});

test("a goal in tasks", () => {
  assert.deepEqual(goalReached({ unit: "tasks", amount: 40 }, { tasks: 14, activeMs: 0 }), {
    share: 0.35, text: "14 / 40", label: "14 of 40 tasks today",
  });
  assert.equal(goalReached({ unit: "tasks", amount: 40 }, { tasks: 41, activeMs: 0 }).share, 1);
});

test("a goal in hours never says more than was worked", () => {
  const reached = goalReached({ unit: "hours", amount: 4 }, { tasks: 9, activeMs: 119 * MINUTE });
  assert.equal(reached.text, "1.9 / 4 h");
  assert.equal(reached.label, "1.9 of 4 hours of active time today");
  assert.equal(reached.share, 119 / 240);
});

test("times are minutes and seconds, with hours where there are some", () => {
  assert.deepEqual([0, 999, 271_000, 3_599_999, 3_871_000].map(clockText), ["00:00", "00:00", "04:31", "59:59", "1:04:31"]);
});
