// The menu of a card's rank pill: shows the choices; a click, a digit or Enter takes one.
import { inReadingOrder, isFromTheRight } from "./direction.js";
import { hintKeys } from "./key-hints.js";
import { choicesFor, nextFocus, positionOf, shortcutsOf } from "./rank-choices.js";
import { t } from "../words.js";

const MARGIN = 8;
const MAX_COLUMNS = 6;

export function createRankMenu(menu, { rowCount, letters, preferences, onChoice }) {
  let opener = null;
  let choices = [];
  let buttons = [];
  menu.style.setProperty("--columns", rowCount <= MAX_COLUMNS ? rowCount : Math.ceil(rowCount / 2));

  function take(position) {
    menu.hidePopover();
    opener.focus();
    onChoice(Number(menu.dataset.response), choices[position].action);
  }

  menu.addEventListener("click", (event) => {
    const position = buttons.indexOf(event.target.closest("button"));
    if (position !== -1) {
      take(position);
    }
  });

  menu.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    const chosen = positionOf(event, choices);
    const focused = nextFocus(inReadingOrder(event.key, menu), buttons.indexOf(document.activeElement), buttons.length);
    if (chosen === -1 && focused === -1) {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // On the page the same key would rate.
    if (chosen === -1) {
      buttons[focused].focus();
    } else {
      take(chosen);
    }
  });

  return {
    open(pill, id, board) {
      opener = pill;
      menu.dataset.response = id;
      menu.setAttribute("aria-label", t("Rank response {letter}, 1 is best", { letter: letters.get(id) }));
      choices = choicesFor(board, id, letters);
      buttons = choices.map((choice) => toButton(choice, shortcutsOf(choice.action, board, id)));
      menu.replaceChildren(line(t("1 is best")), ...choices.flatMap(({ heading }, position) => (
        heading ? [line(heading), buttons[position]] : [buttons[position]]
      )));
      hintKeys(menu, preferences);
      menu.showPopover();
      putBeside(menu, pill);
      buttons[0].focus();
    },
  };
}

function line(text) {
  return Object.assign(document.createElement("p"), { className: "wide", textContent: text });
}

function toButton({ text, members, label }, shortcuts) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.shortcut = shortcuts.join(" ");
  button.className = label ? "button" : "button plain wide";
  button.append(...(label ? [part("span", text), ...(members ? [part("small", members)] : []), heard(label)] : [text]));
  return button;
}

// Seen only: what is heard instead says it in words.
function part(name, text) {
  return Object.assign(document.createElement(name), { textContent: text, ariaHidden: "true" });
}

function heard(label) {
  return Object.assign(document.createElement("span"), { textContent: label, className: "visually-hidden" });
}

function putBeside(menu, pill) {
  const at = pill.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  const below = at.bottom + MARGIN + size.height <= window.innerHeight;
  const aligned = isFromTheRight(pill) ? at.left : at.right - size.width;
  const left = Math.max(MARGIN, Math.min(aligned, document.documentElement.clientWidth - size.width - MARGIN));
  menu.style.left = `${left}px`;
  menu.style.top = `${below ? at.bottom + MARGIN : Math.max(MARGIN, at.top - size.height - MARGIN)}px`;
}
