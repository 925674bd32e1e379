// Tells assistive technology which keys do what a button does: [data-shortcut="name of the action"], or several names.
import { isSingle } from "./key-names.js";
import { keysOf, SHORTCUTS } from "./shortcuts.js";

export function hintKeys(root, { keys, single_keys: hasSingleKeys }) {
  for (const element of root.querySelectorAll("[data-shortcut]")) {
    const names = element.dataset.shortcut.split(" ");
    const working = SHORTCUTS.filter(({ name }) => names.includes(name)).flatMap((shortcut) => keysOf(shortcut, keys))
      .filter((key) => hasSingleKeys || !isSingle(key));
    if (working.length > 0) {
      element.setAttribute("aria-keyshortcuts", working.join(" "));
    } else {
      element.removeAttribute("aria-keyshortcuts");
    }
  }
}
