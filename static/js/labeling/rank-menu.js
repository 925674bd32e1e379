// The menu of a card's rank pill: a button per row, an own row above or below for ties, back to the tray.
import { rowOf } from "./board.js";

const MARGIN = 8;
const MAX_COLUMNS = 6;

export function createRankMenu(menu, { rowCount, letters, onChoice }) {
  let opener = null;
  menu.style.setProperty("--columns", rowCount <= MAX_COLUMNS ? rowCount : Math.ceil(rowCount / 2));

  menu.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) {
      menu.hidePopover();
      opener.focus();
      onChoice(Number(menu.dataset.response), JSON.parse(button.dataset.choice));
    }
  });

  return {
    open(pill, id, board) {
      opener = pill;
      menu.dataset.response = id;
      menu.setAttribute("aria-label", `Rank response ${letters.get(id)}`);
      menu.replaceChildren(...choices(board, id, rowCount).map(toButton));
      menu.showPopover();
      putBeside(menu, pill);
      menu.querySelector("button").focus();
    },
  };
}

function choices(board, id, rowCount) {
  const row = rowOf(board, id);
  const rows = Array.from({ length: rowCount }, (_, index) => [String(index + 1), ["place", index]]);
  const isTied = row !== -1 && board.rows[row].length > 1;
  const apart = isTied ? [["In an own row above", ["moveApart", -1]], ["In an own row below", ["moveApart", 1]]] : [];
  const back = row === -1 ? [] : [["Back to “Not ranked yet”", ["unrank"]]];
  return [...rows, ...apart, ...back];
}

function toButton([text, choice]) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = choice[0] === "place" ? "button" : "button plain wide";
  button.dataset.choice = JSON.stringify(choice);
  button.textContent = text;
  if (choice[0] === "place") {
    button.setAttribute("aria-label", `Row ${text}`);
  }
  return button;
}

function putBeside(menu, pill) {
  const at = pill.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  const below = at.bottom + MARGIN + size.height <= window.innerHeight;
  const left = Math.min(Math.max(MARGIN, at.right - size.width), window.innerWidth - size.width - MARGIN);
  menu.style.left = `${left}px`;
  menu.style.top = `${below ? at.bottom + MARGIN : Math.max(MARGIN, at.top - size.height - MARGIN)}px`;
}
