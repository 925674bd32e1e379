// What the rank menu offers as pure data, and which choice a key means. No DOM here.
import { rowOf } from "./board.js";
import { t } from "../words.js";

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };

// A rank per row, a new row between filled ones, an own row above or below for ties, back to the tray.
export function choicesFor(board, id, letters) {
  const row = rowOf(board, id);
  const others = board.rows.map((ids) => ids.filter((other) => other !== id).map((other) => letters.get(other)).join(", "));
  const isTied = row !== -1 && others[row] !== "";
  const ranks = others.map((members, index) => {
    const rank = { row: index + 1, others: members };
    const label = members ? t("Rank {row}, tied with {others}", rank) : t("Rank {row}", rank);
    return { text: String(index + 1), members, label, action: ["place", index] };
  });
  const apart = [
    { text: t("In an own row above"), action: ["moveApart", -1] },
    { text: t("In an own row below"), action: ["moveApart", 1] },
  ];
  const back = { text: t("Back to “Not ranked yet”"), action: ["unrank"] };
  const gaps = newRows(others, (gap) => isTied && (gap === row || gap === row + 1)); // There `apart` says it.
  return [...ranks, ...gaps, ...(isTied ? apart : []), ...(row === -1 ? [] : [back])];
}

// Where no row is empty between two filled ones, above the first, or below the last: an empty one would do the same.
function newRows(others, isSaid) {
  const isFilled = (row) => row < 0 || others[row] !== "";
  const above = others.map((members, row) => (
    { text: String(row + 1), members, label: t("In a new row above {others}", { others: members }), action: ["placeBetween", row] }
  )).filter(({ members, action: [, row] }) => members && isFilled(row - 1) && !isSaid(row));
  const count = others.length;
  const below = { text: t("In a new row below {others}", { others: others[count - 1] }), action: ["placeBetween", count] };
  return [
    ...above.map((choice, index) => (index === 0 ? { ...choice, heading: t("In a new row above") } : choice)),
    ...(isFilled(count - 1) && !isSaid(count) ? [below] : []),
  ];
}

// The names of the shortcuts that do the same with this response.
export function shortcutsOf([name, argument], board, id) {
  if (name === "moveApart") {
    return [argument < 0 ? "apartAbove" : "apartBelow"];
  }
  const row = rowOf(board, id);
  const rowOfLast = board.last === null || board.last === id ? -1 : rowOf(board, board.last);
  return name !== "place" ? [] : [
    ...(row !== -1 && argument === row - 1 ? ["better"] : []),
    ...(row !== -1 && argument === row + 1 ? ["worse"] : []),
    ...(argument === rowOfLast ? ["tie"] : []),
  ];
}

// The position of the choice that a digit key means, else -1.
export function positionOf({ key, code }, choices) {
  const digit = /^(Digit|Numpad)(\d)$/.exec(code ?? "");
  if (!digit || (digit[1] === "Numpad" && !/^\d$/.test(key))) {
    return -1;
  }
  const number = Number(digit[2]);
  return choices.findIndex(({ action: [name, row] }) => (number === 0 ? name === "unrank" : name === "place" && row === number - 1));
}

// The position that an arrow key leads to, else -1.
export function nextFocus(key, position, count) {
  return key in STEPS ? Math.min(Math.max(position + STEPS[key], 0), count - 1) : -1;
}
