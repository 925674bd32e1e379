// While the flags of a response are open and have the focus, 1 to 9, 0 and - are for them: each turns one of them.
import { keyOf } from "./key-names.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "-"];

// `preferences` as they are now; without single keys there are none here either.
export function enableFlagKeys(root, { preferences }) {
  for (const list of root.querySelectorAll(".flag-list")) {
    const flags = [...list.querySelectorAll(".check, .yes-no")];
    flags.slice(0, KEYS.length).forEach((flag, index) => { flag.dataset.key = KEYS[index]; });
    list.closest("details").addEventListener("keydown", (event) => {
      const flag = flags[KEYS.indexOf(keyOf(event))];
      if (flag && preferences.single_keys) {
        event.preventDefault();
        event.stopPropagation(); // On the page the same key would rate.
        turn(flag);
      }
    });
  }
}

// A tick is turned; of yes and no, yes comes first and then the other.
function turn(flag) {
  const [yes, no] = flag.querySelectorAll("input");
  const target = no && yes.checked ? no : yes;
  target.focus();
  target.click();
}
