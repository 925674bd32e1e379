import assert from "node:assert/strict";
import { test } from "node:test";
import { explain } from "../../static/js/labeling/messages.js";

const HERE = { next: "/label", task: "/label/7", here: true };

test("a lost lease is said once, with where the task is to be had again", () => {
  const { text, link } = explain(409, { code: "lease_lost", detail: "Ended; ask for a task again." }, HERE);

  assert.equal(text, "Your hold on this task has ended. Your work is kept in this browser.");
  assert.deepEqual(link, { href: "/label", text: "Get a task" });
});

test("another conflict says what the server said", () => {
  const { text } = explain(409, { code: "already_submitted", detail: "This task is submitted already." }, HERE);

  assert.equal(text, "This task is submitted already. Your work is kept in this browser.");
});

test("a used key is explained without its name", () => {
  const { text } = explain(422, { code: "key_reused", detail: "This Idempotency-Key was used." }, HERE);

  assert.doesNotMatch(text, /key/i);
});

test("a session that ended leads to signing in and back", () => {
  assert.equal(explain(401, {}, HERE).link.href, "/sign-in?next=%2Flabel%2F7");
});

test("another refusal says why and that the work is kept", () => {
  const { text, link } = explain(422, { detail: "Rate it." }, HERE);

  assert.equal(text, "Not submitted: Rate it. Your work is kept; try again.");
  assert.equal(link, null);
});

test("a task that has left the screen is named, and leads back to itself", () => {
  const there = { next: "/label", task: "/label/7", number: 12 };
  const { text, link } = explain(422, { detail: "Rate it." }, there);

  assert.equal(text, "Task 12 was not stored: Rate it. Your work on it is kept in this browser.");
  assert.deepEqual(link, { href: "/label/7", text: "Open it" });
});
