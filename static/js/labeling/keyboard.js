// Listens for shortcuts on the whole page, but never while somebody writes or a dialog is open.
import { actionOf } from "./shortcuts.js";
import { storage } from "./storage.js";

const SETTING = "podium.single-keys";

// `count()` is how many responses the open task has.
export function enableKeyboard({ count, perform }) {
  const toggle = document.querySelector("[data-single-keys]");
  toggle.checked = storage()?.getItem(SETTING) !== "off";
  toggle.addEventListener("change", () => {
    storage()?.setItem(SETTING, toggle.checked ? "on" : "off");
  });

  document.addEventListener("keydown", (event) => {
    const action = actionOf(event, count());
    const isSubmit = ["submit", "submitAndPause", "saveNow"].includes(action?.[0]);
    const isSingleKey = !event.altKey && !event.ctrlKey && !event.metaKey;
    if (!action || event.isComposing || isInLayer() || (isWriting(event.target) && !isSubmit)) {
      return;
    }
    if (isSingleKey && (!toggle.checked || (event.repeat && action[0] !== "next" && action[0] !== "previous"))) {
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
