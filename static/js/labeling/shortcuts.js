// Which key does what on the labeling screen, as pure data. A new action is one more line of the table. No DOM here.
import { capsOf, keyOf, reservedFor } from "./key-names.js";
import { t } from "../words.js";

// Each has a name (the preferences have other keys by it), its keys, what it does in words, and the action as
// [name, argument] where that is not the name alone. Letters A to I and digits are no part of it: see `actionOf`.
export const SHORTCUTS = [
  shortcut("next", ["J"], t("next response")),
  shortcut("previous", ["K"], t("previous response")),
  shortcut("clearRating", ["Backspace"], t("clear the rating; 0 does it too"), ["rate", null]),
  shortcut("tie", ["="], t("tie with the response that was placed last")),
  shortcut("better", ["Alt+ArrowUp"], t("one row better"), ["move", -1]),
  shortcut("worse", ["Alt+ArrowDown"], t("one row worse"), ["move", 1]),
  shortcut("apartAbove", ["Alt+Shift+ArrowUp"], t("into a row of its own above"), ["moveApart", -1]),
  shortcut("apartBelow", ["Alt+Shift+ArrowDown"], t("into a row of its own below"), ["moveApart", 1]),
  shortcut("flags", ["L"], t("flags of the response")),
  shortcut("note", ["N"], t("note on the response")),
  shortcut("noteTask", ["Shift+N"], t("note on the whole task")),
  shortcut("expand", ["X"], t("show all of a long response")),
  shortcut("expandAll", ["Shift+X"], t("show all of every long response")),
  shortcut("goToBoard", ["R"], t("go to the rank board")),
  shortcut("goToPrompt", ["O"], t("go to the prompt")),
  shortcut("togglePrompt", ["["], t("hide or show the prompt")),
  shortcut("toggleBoard", ["]"], t("fold or unfold the rank board")),
  shortcut("find", ["/"], t("find in the prompt and all responses")),
  shortcut("focusMode", ["Z"], t("one response at a time, and back")),
  shortcut("pin", ["P"], t("pin the response, to compare it")),
  shortcut("compare", ["V"], t("compare two responses")),
  shortcut("differences", ["M"], t("compare two, with what differs marked")),
  shortcut("guided", ["T"], t("rank by questions")),
  shortcut("fill", ["Shift+R"], t("fill the ranks from my ratings, where the project offers it")),
  shortcut("unveil", ["Y"], t("show the text of a covered task")),
  shortcut("undo", ["U", "Control+Z"], t("undo")),
  shortcut("redo", ["Shift+U", "Control+Shift+Z"], t("redo")),
  shortcut("guidelines", ["Q"], t("guidelines")),
  shortcut("help", ["?"], t("these keys")),
  shortcut("skip", ["S"], t("skip the task")),
  shortcut("report", ["W"], t("report a problem")),
  shortcut("saveNow", ["Control+S"], t("save now; every change is saved by itself")),
  shortcut("submit", ["Control+Enter"], t("submit and go on to the next task")),
  shortcut("submitAndPause", ["Control+Shift+Enter"], t("submit and pause")),
  shortcut("earlier", [","], t("the task submitted before")),
  shortcut("current", ["."], t("back to my task")),
];

function shortcut(name, keys, text, action = [name]) {
  return { name, keys, text, action };
}

// The keys of an action when these are the user's own, by its name: an own key takes the place of the first one.
export function keysOf({ name, keys }, own) {
  const usable = own[name] !== undefined && reservedFor(own[name]) === null;
  return usable ? [own[name], ...keys.slice(1)] : keys;
}

// Why the action `name` cannot have this key, as a sentence; null when it can.
export function refusalOf(name, key, own) {
  const shortcutOf = SHORTCUTS.find((entry) => entry.name === name);
  if (shortcutOf.keys[0] !== key && reservedFor(key) !== null) {
    return reservedFor(key);
  }
  const other = SHORTCUTS.find((entry) => entry.name !== name && keysOf(entry, own).includes(key));
  return other ? t("{keys} is taken by “{action}”. Give that another key first.", { keys: capsOf(key).join(" "), action: other.text }) : null;
}

// What a key press asks for: [name, argument], or null. `own` are the user's own keys.
export function actionOf(press, responseCount, own = {}) {
  const key = keyOf(press);
  if (key === null) {
    return null;
  }
  if (key === "Escape") {
    return ["putDown"];
  }
  const digit = /^(Shift\+|Numpad)?(\d)$/.exec(key);
  if (digit) {
    return digitAction(Number(digit[2]), digit[1] !== undefined, responseCount);
  }
  if (/^[A-I]$/.test(key)) {
    const position = key.charCodeAt(0) - "A".charCodeAt(0);
    return position < responseCount ? ["focus", position] : null;
  }
  return actionsByKey(own).get(key) ?? null;
}

function digitAction(digit, isRank, responseCount) {
  if (isRank) {
    return digit === 0 ? ["unrank"] : digit <= responseCount ? ["place", digit - 1] : null;
  }
  return digit === 0 ? ["rate", null] : digit <= 7 ? ["rate", digit] : null;
}

// Own keys come last: an action that is new and has by default what somebody chose before must not take it away.
function actionsByKey(own) {
  const isOwn = ({ name }) => own[name] !== undefined;
  const ordered = [...SHORTCUTS.filter((entry) => !isOwn(entry)), ...SHORTCUTS.filter(isOwn)];
  return new Map(ordered.flatMap((entry) => keysOf(entry, own).map((key) => [key, entry.action])));
}
