// Shows a board: moves the chips to where the work says, and labels chips and rows for screen readers.
import { rowOf } from "./board.js";

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
        const rated = showsRatings ? (rating === null ? "not rated, " : `rated ${rating}, `) : "";
        chip.querySelector("small").textContent = (showsRatings && rating) || "";
        chip.setAttribute("aria-label", `Response ${letters.get(id)}, ${rated}${placeText(work.board, id, letters)}`);
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
  chip.append(letter, document.createElement("small"));
  return chip;
}

// "rank 2 of 4, tied with D" or "not ranked".
export function placeText(board, id, letters) {
  const row = rowOf(board, id);
  if (row === -1) {
    return "not ranked";
  }
  const others = board.rows[row].filter((other) => other !== id).map((other) => letters.get(other));
  return `rank ${row + 1} of ${board.rows.length}${others.length ? `, tied with ${others.join(", ")}` : ""}`;
}

function rowLabel(rows, index, letters) {
  const end = index === 0 ? ", best" : index === rows.length - 1 ? ", worst" : "";
  const members = rows[index].map((id) => letters.get(id));
  const tied = members.length > 1 ? "tied: " : "";
  return `Row ${index + 1}${end}: ${members.length ? tied + members.join(", ") : "empty"}`;
}
