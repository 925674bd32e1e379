// Clears a rating by mouse or touch: the chosen step is clicked once more. Keys on a radio mean what they always mean.
import { t } from "../words.js";

const radioAt = (target) => target.closest?.(".steps label")?.querySelector("input");

// `onClear(id)` is told of the response whose chosen step was clicked.
export function enableClearing(root, { onClear }) {
  let pressed = null; // The step that was chosen when the pointer went down on it.

  root.addEventListener("pointerdown", ({ target }) => {
    const radio = radioAt(target);
    pressed = radio?.checked ? radio : null;
  });
  root.addEventListener("keydown", () => { pressed = null; });
  root.addEventListener("click", ({ target, detail }) => {
    const radio = radioAt(target);
    if (radio && radio === pressed && detail < 2) { // Who clicks twice to choose means what is chosen.
      onClear(Number(radio.closest("[data-response]").dataset.response));
    }
    pressed = null;
  });
  root.addEventListener("pointerover", ({ target }) => {
    const radio = radioAt(target);
    if (radio) {
      radio.parentElement.title = radio.checked ? t("Click again to clear the rating") : "";
    }
  });
}
