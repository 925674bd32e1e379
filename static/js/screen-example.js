// The example in the preview half way through: some ratings, some ranks, long texts folded.
import { t } from "./words.js";

const RATED = { A: 6, C: 3 };
const ROWS = { A: 0, C: 1, D: document.body.dataset.ties === "True" ? 1 : 2 };

const chip = (letter) => {
  const made = document.createElement("span");
  made.className = "chip";
  made.textContent = letter;
  return made;
};

document.body.style.setProperty("--preview-lines", document.body.dataset.lines);

for (const card of document.querySelectorAll("[data-letter]")) {
  const { letter } = card.dataset;
  const rating = card.querySelector(`input[type="radio"][value="${RATED[letter]}"]`);
  if (rating && !document.querySelector(".flow-rank_first")) {
    rating.checked = true;
  }
  const row = document.querySelector(`[data-row="${ROWS[letter]}"] .row-chips`);
  (row ?? document.querySelector(".tray-chips"))?.append(chip(letter));
  const pill = card.querySelector("[data-rank-pill]");
  if (row && pill) {
    pill.textContent = t("Rank {row}", { row: ROWS[letter] + 1 });
    pill.classList.add("is-ranked");
  }
  const body = card.querySelector(".response-body");
  const isLong = body.scrollHeight > body.clientHeight;
  card.classList.toggle("is-collapsed", isLong);
  card.querySelector("[data-show-all]")?.toggleAttribute("hidden", !isLong);
}
