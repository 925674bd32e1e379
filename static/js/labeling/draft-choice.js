// Asks which of two drafts of a task to go on with; neither is dropped without being shown.
import { language, t } from "../words.js";

// Returns `ask({other, mine, letters}, onChoice)`; `onChoice(isOther)` gets the answer.
export function createDraftChoice(dialog) {
  return ({ other, mine, letters }, onChoice) => {
    dialog.querySelector("[data-draft-other]").textContent = summary(other.body.work, letters);
    dialog.querySelector("[data-draft-other-at]").textContent = new Date(other.savedAt).toLocaleString(language);
    dialog.querySelector("[data-draft-mine]").textContent = summary(mine.work, letters);
    dialog.addEventListener("close", () => onChoice(dialog.returnValue === "other"), { once: true });
    dialog.returnValue = "";
    dialog.showModal();
  };
}

// "A 5, C 2; order C > A = B"
export function summary(work, letters) {
  const name = (id) => letters.get(Number(id)) ?? "?";
  const ratings = Object.entries(work?.items ?? {}).filter(([, item]) => item.rating)
    .map(([id, item]) => `${name(id)} ${item.rating}`).sort().join(", ");
  const order = (work?.board?.rows ?? []).filter((row) => row.length > 0)
    .map((row) => row.map(name).join(" = ")).join(" > ");
  return t("Ratings: {ratings}. Order: {order}.", { ratings: ratings || t("none"), order: order || t("none") });
}
