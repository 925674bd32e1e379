import assert from "node:assert/strict";
import { test } from "node:test";
import { keyOf, isSingle } from "../../static/js/labeling/key-names.js";
import { actionOf, keysOf, refusalOf, SHORTCUTS } from "../../static/js/labeling/shortcuts.js";

const press = (key, more = {}) => actionOf({ key, ...more }, 4);
const pressWith = (own, key, more = {}) => actionOf({ key, ...more }, 4, own);
const keysNamed = (name, own = {}) => keysOf(SHORTCUTS.find((entry) => entry.name === name), own);

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

test("a bracket is written with AltGr on many keyboards, over a digit", () => {
  const altGraph = { getModifierState: (name) => name === "AltGraph", ctrlKey: true, altKey: true };
  assert.deepEqual(press("[", { code: "Digit8", ...altGraph }), ["togglePrompt"]);
  assert.deepEqual(press("]", { code: "BracketRight" }), ["toggleBoard"]);
});

test("Shift is a part of letters and of the names of keys, and not of signs", () => {
  assert.deepEqual(press("N", { shiftKey: true }), ["noteTask"]);
  assert.deepEqual(press("X", { shiftKey: true }), ["expandAll"]);
  assert.deepEqual(press("?", { shiftKey: true, code: "Slash" }), ["help"]);
  assert.deepEqual(press("N"), ["note"], "with Caps Lock");
  assert.equal(press("K", { shiftKey: true }), null);
});

test("Backspace clears the rating", () => {
  assert.deepEqual(press("Backspace"), ["rate", null]);
});

test("no modifier, dead key or half-written sign asks for anything", () => {
  for (const key of ["Shift", "Control", "Alt", "AltGraph", "Dead", "Process", "Unidentified"]) {
    assert.equal(press(key), null);
  }
});

test("the browser keeps going back and forward, and choosing tabs", () => {
  assert.equal(press("ArrowRight", { altKey: true }), null);
  assert.equal(press("3", { code: "Digit3", ctrlKey: true }), null);
  assert.equal(press("[", { metaKey: true }), null);
  assert.equal(press("]", { metaKey: true }), null);
});

test("every action has a name that the server takes, and no two share a key", () => {
  const keys = SHORTCUTS.flatMap((entry) => entry.keys);
  assert.equal(new Set(keys).size, keys.length);
  assert.equal(new Set(SHORTCUTS.map(({ name }) => name)).size, SHORTCUTS.length);
  assert.ok(SHORTCUTS.every(({ name }) => /^[a-zA-Z_]{1,40}$/.test(name)));
  assert.ok(keys.every((key) => key.length <= 20));
});

test("an own key takes the place of the first one", () => {
  const own = { next: "M", undo: "Alt+Z" };
  assert.deepEqual(pressWith(own, "m"), ["next"]);
  assert.equal(pressWith(own, "j"), null);
  assert.deepEqual(pressWith(own, "z", { altKey: true }), ["undo"]);
  assert.equal(pressWith(own, "u"), null);
  assert.deepEqual(pressWith(own, "z", { ctrlKey: true }), ["undo"]);
  assert.deepEqual(keysNamed("undo", own), ["Alt+Z", "Control+Z"]);
});

test("an own key wins over an action that is new and has it by default", () => {
  assert.deepEqual(pressWith({ next: "S" }, "s"), ["next"]);
});

test("an own key that nothing may have, or of an action that is gone, is not used", () => {
  assert.deepEqual(pressWith({ next: "A" }, "a"), ["focus", 0]);
  assert.deepEqual(pressWith({ next: "A" }, "j"), ["next"]);
  assert.deepEqual(pressWith({ next: "3" }, "3", { code: "Digit3" }), ["rate", 3]);
  assert.equal(pressWith({ dance: "Shift+Q" }, "Q", { shiftKey: true }), null);
});

test("a key that another action has is refused with a sentence that names it", () => {
  assert.equal(refusalOf("next", "K", {}), "K is taken by “previous response”. Give that another key first.");
  assert.equal(refusalOf("next", "K", { previous: "M" }), null);
  assert.equal(refusalOf("previous", "J", { next: "M" }), null);
  assert.match(refusalOf("tie", "Control+Z", {}), /Ctrl Z/);
});

test("letters of responses, digits, keys of the browser and of the page are refused", () => {
  assert.equal(refusalOf("next", "I", {}), "The letters A to I go to the responses.");
  for (const key of ["4", "Shift+4", "Numpad4"]) {
    assert.equal(refusalOf("next", key, {}), "Digits rate and rank.");
  }
  for (const key of ["Alt+ArrowLeft", "Alt+ArrowRight", "Control+1", "Control+[", "Control+W"]) {
    assert.match(refusalOf("next", key, {}), /^The browser needs /);
  }
  for (const key of ["Tab", "Shift+Tab", "Enter", " ", "Escape", "ArrowDown", "PageUp", "F5", "Delete"]) {
    assert.match(refusalOf("next", key, {}), /has its own meaning on pages\.$/);
  }
  assert.equal(refusalOf("next", "Alt+J", {}), null);
  assert.equal(refusalOf("next", "Shift+A", {}), null);
});

test("the usual key of an action can always be chosen again", () => {
  assert.equal(refusalOf("submit", "Control+Enter", { submit: "Alt+Enter" }), null);
  assert.equal(refusalOf("clearRating", "Backspace", { clearRating: "M" }), null);
});

test("only what is pressed without Ctrl and Alt is a single key", () => {
  const single = (key, more = {}) => isSingle(keyOf({ key, ...more }));
  assert.ok(single("j") && single("N", { shiftKey: true }) && single("3", { code: "Numpad3" }));
  assert.ok(!single("z", { ctrlKey: true }) && !single("Enter", { metaKey: true }) && !single("ArrowUp", { altKey: true }));
});

test("T asks which is better, Shift+R fills from the ratings, and R alone goes to the board", () => {
  assert.deepEqual(press("t"), ["guided"]);
  assert.deepEqual(press("R", { shiftKey: true }), ["fill"]);
  assert.deepEqual(press("r"), ["goToBoard"]);
});
