// Before a ranking is sent, asks once about what may be a slip; the button, or submitting again, sends it as it is.
import { nameOf, warningsOf } from "./concerns.js";
import { t } from "../words.js";

const MAX_LISTED = 4;

// `concerns()` are those of the work now; `onShown(concerns)` hears what was asked. `onOpen(id)` leads to a response,
// `onCompare(ids)` to two.
export function createReview(messages, { letters, concerns, onShown, onOpen, onCompare }) {
  const shown = new Map();

  function lookAt(ids) {
    const [first, second] = ids.map((id) => letters.get(id));
    if (second !== undefined) {
      return { text: t("Compare {first} and {second}", { first, second }), onClick: () => onCompare(ids) };
    }
    return first === undefined ? undefined : { text: t("Open {letter}", { letter: first }), onClick: () => onOpen(ids[0]) };
  }

  return {
    // Whether there is something that was not asked about before; then it is asked about, and `onKeep()` submits again.
    asks(onKeep) {
      const found = concerns();
      if (found.every((concern) => shown.has(nameOf(concern)))) {
        return false;
      }
      found.forEach((concern) => shown.set(nameOf(concern), concern));
      onShown(found);
      const rest = found.length - MAX_LISTED;
      messages.ask(t("Please look once more, or submit again to keep it as it is."), {
        points: [
          ...found.slice(0, MAX_LISTED).map(({ text, ids }) => ({ text, button: lookAt(ids) })),
          ...(rest > 0 ? [{ text: t("and {count} more like these", { count: rest }) }] : []),
        ],
        button: { text: t("Submit as it is"), onClick: onKeep },
        takesFocus: true,
      });
      return true;
    },
    warnings: () => warningsOf([...shown.values()], concerns()),
  };
}
