import assert from "node:assert/strict";
import { test } from "node:test";
import { choicesFor, nextFocus, positionOf, shortcutsOf } from "../../static/js/labeling/rank-choices.js";

const LETTERS = new Map([[7, "A"], [8, "B"], [9, "C"]]);
const boardOf = (...rows) => ({ rows, last: null });

test("there is a choice per row, which names who is there already", () => {
  const choices = choicesFor(boardOf([], [8, 9], []), 7, LETTERS).slice(0, 3);

  assert.deepEqual(choices.map(({ text, members }) => [text, members]), [["1", ""], ["2", "B, C"], ["3", ""]]);
  assert.deepEqual(choices.map(({ label }) => label), ["Rank 1", "Rank 2, tied with B, C", "Rank 3"]);
  assert.deepEqual(choices[1].action, ["place", 1]);
});

test("a tied response can leave its tie or go back", () => {
  const actions = choicesFor(boardOf([7, 8], [], []), 7, LETTERS).slice(3).map(({ action }) => action);

  assert.deepEqual(actions, [["moveApart", -1], ["moveApart", 1], ["unrank"]]);
});

const newRows = (board, id) => choicesFor(board, id, LETTERS)
  .filter(({ action: [name] }) => name === "placeBetween").map(({ action: [, gap] }) => gap);

test("a new row is offered between filled rows, to a response without a rank too", () => {
  assert.deepEqual(newRows(boardOf([8], [9], []), 7), [0, 1]);
  assert.deepEqual(newRows(boardOf([], [9], [8]), 7), [2, 3]);
  assert.deepEqual(newRows(boardOf([8], [7], [9]), 7), [0, 3]);
  const [first, second] = choicesFor(boardOf([8], [9], []), 7, LETTERS).slice(3);
  assert.deepEqual([first.heading, first.label], ["In a new row above", "In a new row above B"]);
  assert.deepEqual([second.heading, second.text, second.members], [undefined, "2", "C"]);
});

test("no new row is offered where an empty row or the own row does the same", () => {
  assert.deepEqual(newRows(boardOf([], [], []), 7), []);
  assert.deepEqual(newRows(boardOf([], [8], []), 7), []);
  assert.deepEqual(newRows(boardOf([7, 8], [9], []), 7), []);
  assert.deepEqual(newRows(boardOf([9], [7, 8], []), 7), [0]);
  const [after] = choicesFor(boardOf([7, 8], [9], [10], []), 7, new Map([...LETTERS, [10, "D"]])).slice(4);
  assert.equal(after.heading, "In a new row above");
});

test("digits mean rows, zero means back, on every keyboard", () => {
  const choices = choicesFor(boardOf([7], [8], []), 7, LETTERS);

  assert.equal(positionOf({ key: "é", code: "Digit2" }, choices), 1);
  assert.equal(positionOf({ key: "3", code: "Numpad3" }, choices), 2);
  assert.equal(positionOf({ key: "0", code: "Digit0" }, choices), 3);
  assert.equal(positionOf({ key: "4", code: "Digit4" }, choices), -1);
  assert.equal(positionOf({ key: "x", code: "KeyX" }, choices), -1);
});

test("arrows go from choice to choice and stop at the ends", () => {
  assert.equal(nextFocus("ArrowRight", 0, 3), 1);
  assert.equal(nextFocus("ArrowLeft", 0, 3), 0);
  assert.equal(nextFocus("ArrowDown", 2, 3), 2);
  assert.equal(nextFocus("End", 0, 3), 2);
  assert.equal(nextFocus("x", 0, 3), -1);
});

test("a choice tells the shortcuts that would do the same", () => {
  const board = { rows: [[7], [8, 9], []], last: 7 };
  const told = (id) => choicesFor(board, id, LETTERS).map(({ action }) => shortcutsOf(action, board, id).join(" "));

  assert.deepEqual(told(8).slice(0, 3), ["better tie", "", "worse"]);
  assert.deepEqual(told(8).filter((names) => names.startsWith("apart")), ["apartAbove", "apartBelow"]);
  assert.deepEqual(told(7).slice(0, 3), ["", "worse", ""]);
  const unranked = { rows: [[], [8], []], last: 8 };
  assert.deepEqual([0, 1, 2].map((row) => shortcutsOf(["place", row], unranked, 7)), [[], ["tie"], []]);
});
