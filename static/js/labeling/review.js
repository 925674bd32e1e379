// Before a ranking is sent, asks once about what may be a slip; submitting again sends it as it is.
import { nameOf, warningsOf } from "./concerns.js";
import { t } from "../words.js";

const MAX_LISTED = 4;

// `concerns()` are those of the work now; `onShown(concerns)` hears what was asked, `onLook(id)` leads to a response.
export function createReview(messages, { concerns, onShown, onLook }) {
  const shown = new Map();

  return {
    // Whether there is something that was not asked about before; then it is asked about.
    asks() {
      const found = concerns();
      if (found.every((concern) => shown.has(nameOf(concern)))) {
        return false;
      }
      found.forEach((concern) => shown.set(nameOf(concern), concern));
      onShown(found);
      const rest = found.length - MAX_LISTED;
      const first = found.find(({ ids }) => ids.length > 0);
      messages.ask(t("Please look once more, or submit again to keep it as it is."), {
        points: [...found.slice(0, MAX_LISTED).map(({ text }) => text), ...(rest > 0 ? [t("and {count} more like these", { count: rest })] : [])],
        button: first && { text: t("Look at the first"), onClick: () => onLook(first.ids[0]) },
      });
      return true;
    },
    warnings: () => warningsOf([...shown.values()], concerns()),
  };
}
