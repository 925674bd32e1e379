// Shows a board: moves the chips to where the work says, and labels chips and rows for screen readers.
import { rowOf } from "./board.js";
import { t } from "../words.js";

// With `showsRatings` a chip has its rating beside the letter.
export function createBoardView(root, responses, { showsRatings }) {
  const rows = [...root.querySelectorAll("[data-row] .row-chips")];
  const tray = root.querySelector(".tray-chips");
  const chips = new Map(responses.map(({ id, letter }) => [id, createChip(id, letter)]));
  const letters = new Map(responses.map(({ id, letter }) => [id, letter]));
  const places = [...root.querySelectorAll(".gap button, .row-number")];

  return {
    chip: (id) => chips.get(id),
    render(work, { active, picked }) {
      const focused = document.activeElement;
      const unranked = responses.map(({ id }) => id)
        .filter((id) => rowOf(work.board, id) === -1 && !work.items[id].cannotJudge);
      const hidden = responses.map(({ id }) => id).filter((id) => work.items[id].cannotJudge);
      rows.forEach((element, index) => fill(element, work.board.rows[index]));
      fill(tray, unranked);
      for (const id of hidden) {
        chips.get(id).remove();
      }
      rows.forEach((element, index) => {
        element.setAttribute("aria-label", rowLabel(work.board.rows, index, letters));
      });
      for (const [id, chip] of chips) {
        const { rating } = work.items[id];
        const what = { letter: letters.get(id), rating, place: placeText(work.board, id, letters) };
        chip.querySelector("small").textContent = (showsRatings && rating) || "";
        chip.querySelector(".visually-hidden").textContent = chipLabel(what, showsRatings);
        chip.classList.toggle("is-active", id === active);
        chip.setAttribute("aria-pressed", String(id === picked));
      }
      const isEmpty = work.board.rows.every((row) => row.length === 0);
      root.querySelector("[data-hint-first]").hidden = !isEmpty;
      root.querySelector("[data-hint-ties]").hidden = isEmpty;
      root.classList.toggle("is-picking", picked !== null);
      places.forEach((button) => { button.disabled = picked === null; });
      if (focused?.classList.contains("chip") && focused.isConnected) {
        focused.focus({ preventScroll: true }); // Moving an element takes its focus away.
      }
    },
  };

  function fill(container, ids) {
    const wanted = ids.map((id) => chips.get(id));
    const isSame = container.children.length === wanted.length
      && wanted.every((chip, index) => container.children[index] === chip);
    if (!isSame) {
      container.replaceChildren(...wanted); // Only then: moving a chip would end its drag.
    }
  }
}

// Seen: "B 5". Heard: "Response B, rated 5, rank 2 of 4, tied with D".
function createChip(id, letter) {
  const chip = document.createElement("button");
  chip.type = "button";
  chip.className = "chip";
  chip.dataset.chip = id;
  chip.dataset.letter = letter;
  const [seen, rating, heard] = ["span", "small", "span"].map((name) => document.createElement(name));
  seen.textContent = letter;
  seen.ariaHidden = "true";
  rating.ariaHidden = "true";
  heard.className = "visually-hidden";
  chip.append(seen, rating, heard);
  return chip;
}

function chipLabel(what, showsRatings) {
  if (!showsRatings) {
    return t("Response {letter}, {place}", what);
  }
  return what.rating === null
    ? t("Response {letter}, not rated, {place}", what) : t("Response {letter}, rated {rating}, {place}", what);
}

// "rank 2 of 4, tied with D" or "not ranked".
export function placeText(board, id, letters) {
  const row = rowOf(board, id);
  if (row === -1) {
    return t("not ranked");
  }
  const others = board.rows[row].filter((other) => other !== id).map((other) => letters.get(other));
  const place = { row: row + 1, count: board.rows.length, others: others.join(", ") };
  return others.length ? t("rank {row} of {count}, tied with {others}", place) : t("rank {row} of {count}", place);
}

function rowLabel(rows, index, letters) {
  const members = rows[index].map((id) => letters.get(id)).join(", ");
  const content = rows[index].length > 1 ? t("tied: {letters}", { letters: members }) : members || t("empty");
  const row = { row: index + 1, content };
  if (index === 0) {
    return t("Row {row}, best: {content}", row);
  }
  return index === rows.length - 1 ? t("Row {row}, worst: {content}", row) : t("Row {row}: {content}", row);
}
