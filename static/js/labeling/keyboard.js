// Listens for shortcuts: at work on the task, never while somebody writes or a dialog is open.
import { isSingle, keyOf } from "./key-names.js";
import { actionOf } from "./shortcuts.js";

const WHILE_WRITING = ["submit", "submitAndPause", "saveNow"];
const REPEATING = ["next", "previous"];

// `preferences` has `keys` and `single_keys` as they are now; `count()` is how many responses the open task has.
export function enableKeyboard({ preferences, count, perform }) {
  document.addEventListener("keydown", (event) => {
    const action = actionOf(event, count(), preferences.keys);
    if (!action || event.isComposing || isInLayer()) {
      return;
    }
    const isSingleKey = isSingle(keyOf(event));
    if (isWriting(event.target) && (isSingleKey || !WHILE_WRITING.includes(action[0]))) {
      return;
    }
    const isOff = !preferences.single_keys || !isAtWork(event.target);
    if (isSingleKey && (isOff || (event.repeat && !REPEATING.includes(action[0])))) {
      return;
    }
    event.preventDefault();
    perform(action, event);
  });
}

function isInLayer() {
  return document.querySelector("dialog[open], [popover]:popover-open") !== null;
}

function isWriting(element) {
  return element.matches?.("textarea, select, input:not([type=radio], [type=checkbox]), [contenteditable]");
}

// On the task itself, or nowhere: a key that is pressed on a button of the header is not meant for the task.
function isAtWork(element) {
  return element === document.body || element.closest?.("#main") !== null;
}
