// While the flags of a response are open and have the focus, 1 to 9, 0 and - are for them: each turns one of them.
import { keyOf } from "./key-names.js";

// `preferences` as they are now; without single keys there are none here either.
export function enableFlagKeys(root, { preferences }) {
  root.addEventListener("keydown", (event) => {
    const flags = event.target.closest("[data-flags]");
    const flag = flags?.querySelector(`[data-key="${CSS.escape(keyOf(event))}"]`);
    if (flag && preferences.single_keys) {
      event.preventDefault();
      event.stopPropagation(); // On the page the same key would rate.
      turn(flag);
    }
  });
}

// A tick is turned; of yes and no, yes comes first and then the other.
function turn(flag) {
  const [yes, no] = flag.querySelectorAll("input");
  const target = no && yes.checked ? no : yes;
  target.focus();
  target.click();
}
