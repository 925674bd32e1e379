// Listens to the controls on the cards and writes what they say into the work.
import { enableClearing } from "./clear-rating.js";
import { rate, setCannotJudge, setCannotRank, setFlag, setTaskFlag, withItem } from "./judgments.js";
import { t } from "../words.js";

export function enableCardInputs(cards, { store, messages, log, root, rules, openMenu, compare, perform }) {
  enableClearing(root, { onClear: (id) => perform(["rate", null], { id, method: "click" }) });
  for (const [id, card] of cards) {
    const letter = store.letters.get(id);
    card.addEventListener("focusin", () => {
      if (store.view().active !== id) {
        store.look({ active: id });
      }
    });
    card.addEventListener("change", ({ target }) => {
      if (target.closest(".rating") && target.type === "radio" && target.checked) { // Not when it was cleared.
        log("rate", { response: id, old: store.work().items[id].rating, new: Number(target.value), method: "click" });
        store.change(rate(store.work(), id, Number(target.value)), t("{letter} rated {rating}", { letter, rating: target.value }));
      } else if (target.closest(".flag-list")) {
        const isTick = target.type === "checkbox";
        const key = isTick ? target.value : target.dataset.flag;
        const answer = isTick ? target.checked || null : target.value === "yes";
        log("flag", { response: id, flag: key, answer });
        store.change(setFlag(store.work(), id, key, answer), t("flag on {letter}", { letter }));
      } else if (target.matches("[data-cannot-judge]")) {
        const what = target.value ? t("{letter} cannot be judged", { letter }) : t("{letter} can be judged", { letter });
        store.change(setCannotJudge(store.work(), id, target.value || null, rules), what);
        messages.announce(what);
      }
    });
    card.addEventListener("input", ({ target }) => {
      if (target.matches("[data-note] textarea")) {
        store.change(withItem(store.work(), id, { note: target.value }), t("note on {letter}", { letter }), { isTyping: true });
      }
    });
    card.querySelector("[data-pin]").addEventListener("click", () => compare.pin(id));
    for (const button of card.querySelectorAll("[data-compare-with]")) {
      const other = store.ids.find((each) => store.letters.get(each) === button.dataset.compareWith);
      button.addEventListener("click", () => compare.open({ wanted: [id, other], isMarking: true }));
    }
    card.querySelector("[data-rank-pill]").addEventListener("click", ({ currentTarget }) => {
      openMenu(currentTarget, id, store.work().board);
    });
  }
  root.addEventListener("keydown", (event) => {
    const details = event.key === "Escape" ? event.target.closest("details[open]") : null;
    if (details) {
      details.open = false;
      details.querySelector("summary").focus();
    }
  });
  const taskNote = root.querySelector("[data-task-note]");
  taskNote.addEventListener("input", () => {
    store.change({ ...store.work(), note: taskNote.value }, t("note on the task"), { isTyping: true });
  });
  root.querySelector("[data-cannot-rank]").addEventListener("change", ({ target }) => {
    const what = target.value ? t("cannot be ranked") : t("can be ranked");
    store.change(setCannotRank(store.work(), target.value || null), what);
    messages.announce(target.value ? t("The responses cannot be ranked") : t("The responses can be ranked"));
  });
  root.querySelector("[data-unveil]")?.addEventListener("click", () => {
    root.classList.remove("is-veiled");
    root.querySelector("[data-response]").focus();
  });
  root.querySelector("[data-task-flags]")?.addEventListener("change", ({ target }) => {
    log("flag", { flag: target.value, answer: target.checked || null });
    store.change(setTaskFlag(store.work(), target.value, target.checked), t("flag on the task"));
  });
}
