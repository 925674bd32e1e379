// What each action does to the work and where the focus goes afterwards. Actions come from keys, the rank
// menu, clicks on the board and drags; `id` is the response that they are about.
import { place, placeBetween, rowOf, shift, shiftToNewRow, tieWithLast, unrank } from "./board.js";
import { placeText } from "./board-view.js";
import { toggleDetails } from "./details.js";
import { beforeRanking, whyNotRated } from "./flow.js";
import { missing, rate, withBoard } from "./judgments.js";
import { logPlacing } from "./placing-log.js";
import { t } from "../words.js";

const MARGINS_PX = 120; // The header and the bar.
const LAYERS = ["guidelines", "help", "skip", "report"];
const PLACING = ["place", "placeBetween", "unrank", "tie", "move", "moveApart"];

export function createActions({ store, cards, boardView, messages, log, rules, aids, preferences }) {
  const { ids, letters } = store;
  let method = "key"; // Of what is done now.

  function rank(id, board) {
    if (store.work().items[id].cannotJudge !== null) {
      messages.announce(t("{letter} is marked “cannot judge” and has no rank", { letter: letters.get(id) }));
      return;
    }
    if (board !== store.work().board) {
      const [oldRow, row] = [rowOf(store.work().board, id), rowOf(board, id)];
      const letter = letters.get(id);
      const what = row === -1 ? t("{letter} not ranked", { letter }) : t("{letter} to rank {row}", { letter, row: row + 1 });
      logPlacing(log, { id, from: store.work().board, to: board, method });
      aids.moved(id, oldRow, row);
      store.change(withBoard(store.work(), board), what);
    }
    messages.announce(`${letters.get(id)} ${placeText(store.work().board, id, letters)}`);
  }

  function focusCard(id) {
    store.look({ active: id });
    log("card_focus", { response: id });
    const card = cards.get(id);
    const isTall = card.offsetHeight > window.innerHeight - MARGINS_PX; // Else one would land in its middle.
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: isTall ? "start" : "nearest" });
  }

  function focusNextOf(waiting, id) {
    const later = waiting.filter((other) => ids.indexOf(other) > ids.indexOf(id));
    const following = later[0] ?? waiting[0];
    if (following !== undefined) {
      focusCard(following);
    }
  }

  // What the project wants done before this or instead of it, or null.
  function firstOf(name, isPlacing, id) {
    const why = isPlacing ? beforeRanking(rules.flow, store.work(), ids) : null;
    return name === "rate" && !isPlacing ? whyNotRated(rules, store.work(), ids, id) : why;
  }

  const step = (id, by) => focusCard(ids[Math.min(Math.max(ids.indexOf(id) + by, 0), ids.length - 1)]);

  const actions = {
    ...aids.actions,
    focus(_id, position) {
      const letter = String.fromCharCode("A".charCodeAt(0) + position);
      const named = ids.find((id) => `${letters.get(id)}${cards.get(id).dataset.twinLetters}`.includes(letter));
      if (named !== undefined) {
        focusCard(named);
      }
    },
    focusOn: (_id, id) => focusCard(id),
    next: (id) => step(id, 1),
    previous: (id) => step(id, -1),
    rate(id, rating, { key }) {
      const letter = letters.get(id);
      const what = rating ? t("{letter} rated {rating}", { letter, rating }) : t("{letter} not rated", { letter });
      log("rate", { response: id, old: store.work().items[id].rating, new: rating, method });
      store.change(rate(store.work(), id, rating), what);
      messages.announce(what);
      if (key && rating && preferences.go_on) {
        focusNextOf(missing(store.work(), ids, rules).unrated, id);
      }
    },
    clearRating: (id) => actions.rate(id, null, {}),
    place(id, row, { key, isOnChip }) {
      rank(id, place(store.work().board, id, row));
      if (key && !isOnChip && preferences.go_on) {
        focusNextOf(missing(store.work(), ids, rules).unranked, id);
      }
    },
    placeBetween: (id, gap) => rank(id, placeBetween(store.work().board, id, gap)),
    unrank: (id) => rank(id, unrank(store.work().board, id)),
    tie(id, _none, { isOnChip }) {
      rank(id, tieWithLast(store.work().board, id));
      if (!isOnChip && preferences.go_on) {
        focusNextOf(missing(store.work(), ids, rules).unranked, id);
      }
    },
    move: (id, by) => rank(id, shift(store.work().board, id, by)),
    moveApart: (id, by) => rank(id, shiftToNewRow(store.work().board, id, by)),
    flags: (id) => toggleDetails(cards.get(id).querySelector("[data-flags]"), "input"),
    note: (id) => toggleDetails(cards.get(id).querySelector("[data-note]"), "textarea"),
    noteTask: () => toggleDetails(document.querySelector(".task-note"), "textarea"),
    expand: (id) => cards.get(id).querySelector("[data-show-all]").click(),
    expandAll: () => document.querySelector("[data-expand-all]").click(),
    goToBoard: (id) => (boardView.chip(id).isConnected ? boardView.chip(id) : document.querySelector(".chip"))?.focus(),
    focusActive: (id) => focusCard(id),
    focusMode(id) {
      const isOn = document.querySelector("[data-labeling]").classList.toggle("is-focus-mode");
      messages.announce(isOn ? t("One response at a time") : t("All responses"));
      focusCard(id);
    },
    putDown: () => store.look({ picked: null }),
    unveil: () => document.querySelector("[data-unveil]")?.click(),
    undo() {
      log("undo");
      const label = store.undo();
      messages.announce(label === null ? t("Nothing to undo") : t("Undone: {label}", { label }));
    },
    redo() {
      const label = store.redo();
      messages.announce(label === null ? t("Nothing to redo") : t("Done again: {label}", { label }));
    },
  };

  // `source` is the key press, or {id, method}; keys act on the active response, on a chip digits choose its row.
  return ([name, argument], source) => {
    if (LAYERS.includes(name)) {
      document.getElementById(name).showModal();
      return;
    }
    const isOnChip = source.target?.classList?.contains("chip") ?? false;
    const isPlainDigit = name === "rate" && source.key && argument !== null;
    const isPlacing = PLACING.includes(name) || (isOnChip && isPlainDigit);
    const id = source.id ?? store.view().active;
    const first = firstOf(name, isPlacing, id);
    if (first !== null) {
      messages.show(first, { tone: "warn", isPassing: true });
      return;
    }
    method = source.method ?? "key";
    if (isPlacing) {
      store.countMethod(method);
    }
    if (isOnChip && isPlainDigit) {
      actions.place(id, argument - 1, { key: source.key, isOnChip });
    } else {
      actions[name](id, argument, { key: source.key, isOnChip });
    }
  };
}
