// Listens to the controls on the cards and writes what they say into the work.
import { rate, setCannotJudge, setFlag, withItem } from "./judgments.js";

export function enableCardInputs(cards, { store, messages, taskNote, openMenu }) {
  for (const [id, card] of cards) {
    const letter = store.letters.get(id);
    card.addEventListener("focusin", () => {
      if (store.view().active !== id) {
        store.look({ active: id });
      }
    });
    card.addEventListener("change", ({ target }) => {
      if (target.closest(".rating") && target.type === "radio") {
        store.change(rate(store.work(), id, Number(target.value)), `${letter} rated ${target.value}`);
      } else if (target.closest(".flag-list")) {
        store.change(setFlag(store.work(), id, target.value, target.checked), `flag on ${letter}`);
      } else if (target.closest(".cannot-judge")) {
        const what = `${letter} ${target.checked ? "cannot be judged" : "can be judged"}`;
        store.change(setCannotJudge(store.work(), id, target.checked), what);
        messages.announce(what);
      }
    });
    card.addEventListener("input", ({ target }) => {
      if (target.matches("[data-note] textarea")) {
        store.change(withItem(store.work(), id, { note: target.value }), `note on ${letter}`, { isTyping: true });
      }
    });
    card.addEventListener("keydown", (event) => {
      const details = event.key === "Escape" ? event.target.closest("details[open]") : null;
      if (details) {
        details.open = false;
        details.querySelector("summary").focus();
      }
    });
    card.querySelector("[data-rank-pill]").addEventListener("click", ({ currentTarget }) => {
      openMenu(currentTarget, id, store.work().board);
    });
  }
  taskNote.addEventListener("input", () => {
    store.change({ ...store.work(), note: taskNote.value }, "note on the task", { isTyping: true });
  });
}
