import assert from "node:assert/strict";
import { test } from "node:test";
import { actionOf } from "../../static/js/labeling/shortcuts.js";

const press = (key, more = {}) => actionOf({ key, ...more }, 4);

test("letters focus the response that has them, others keep their meaning", () => {
  assert.deepEqual(press("a"), ["focus", 0]);
  assert.deepEqual(press("d"), ["focus", 3]);
  assert.equal(press("e"), null);
  assert.deepEqual(press("j"), ["next"]);
  assert.deepEqual(press("s"), ["skip"]);
});

test("digits rate, with Shift or on the number pad they rank", () => {
  assert.deepEqual(press("3", { code: "Digit3" }), ["rate", 3]);
  assert.deepEqual(press("#", { code: "Digit3", shiftKey: true }), ["place", 2]);
  assert.deepEqual(press("3", { code: "Numpad3" }), ["place", 2]);
  assert.deepEqual(press(")", { code: "Digit0", shiftKey: true }), ["unrank"]);
  assert.deepEqual(press("0", { code: "Digit0" }), ["rate", null]);
});

test("digits are physical keys, so a French keyboard rates without Shift", () => {
  assert.deepEqual(press("é", { code: "Digit2" }), ["rate", 2]);
});

test("there is no rating 8 and no row beyond the last", () => {
  assert.equal(press("8", { code: "Digit8" }), null);
  assert.equal(press("%", { code: "Digit5", shiftKey: true }), null);
});

test("the number pad without NumLock moves the caret and ranks nothing", () => {
  assert.equal(press("End", { code: "Numpad1" }), null);
});

test("the browser keeps its own combinations", () => {
  assert.equal(press("c", { ctrlKey: true }), null);
  assert.equal(press("1", { code: "Digit1", metaKey: true }), null);
  assert.equal(press("ArrowLeft", { altKey: true }), null);
});

test("Alt with arrows moves, with Shift it breaks a tie", () => {
  assert.deepEqual(press("ArrowUp", { altKey: true }), ["move", -1]);
  assert.deepEqual(press("ArrowDown", { altKey: true, shiftKey: true }), ["moveApart", 1]);
});

test("Ctrl+Enter and Command+Enter submit", () => {
  assert.deepEqual(press("Enter", { ctrlKey: true }), ["submit"]);
  assert.deepEqual(press("Enter", { metaKey: true }), ["submit"]);
});

test("U and Ctrl+Z undo, with Shift they redo", () => {
  assert.deepEqual(press("u"), ["undo"]);
  assert.deepEqual(press("U", { shiftKey: true }), ["redo"]);
  assert.deepEqual(press("z", { ctrlKey: true }), ["undo"]);
  assert.deepEqual(press("Z", { metaKey: true, shiftKey: true }), ["redo"]);
  assert.deepEqual(press("z"), ["focusMode"]);
});
