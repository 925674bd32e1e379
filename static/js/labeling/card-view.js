// Shows the work on the response cards: rating, rank pill, flags, note, cannot judge; folds long texts.
import { rowOf } from "./board.js";
import { t } from "../words.js";

const GRACE_LINES = 8; // A text that is only this much longer is shown whole.

// `opened` are those that are unfolded from the start; `onOpen(id)` says of another.
export function createCardView(cards, letters, { opened, previewLines, onOpen }) {
  const folded = new Set();
  const long = new Set();
  return {
    // All heights are read before anything is written: else each card would be laid out anew for the next.
    foldLong() {
      const heights = new Map([...cards].map(([id, card]) => [id, linesOf(card)]));
      for (const [id, lines] of heights) {
        if (lines > previewLines + GRACE_LINES) {
          long.add(id);
          const isOpen = opened.includes(id);
          if (!isOpen) {
            folded.add(id);
          }
          makeFoldable(cards.get(id), { isOpen, onUnfold: () => { folded.delete(id); onOpen(id); } });
        }
      }
    },
    // The long responses of which only the beginning was ever seen.
    unopened: () => [...folded],
    isLong: (id) => long.has(id),
    // It was shown whole elsewhere.
    opened(id) {
      if (folded.delete(id)) {
        onOpen(id);
      }
    },
    render(work, { active }) {
      for (const [id, card] of cards) {
        const item = work.items[id];
        card.classList.toggle("is-active", id === active);
        card.classList.toggle("cannot-be-judged", item.cannotJudge !== null);
        for (const radio of card.querySelectorAll(".rating input")) {
          radio.checked = Number(radio.value) === item.rating;
        }
        renderPill(card.querySelector("[data-rank-pill]"), work, id, letters);
        for (const box of card.querySelectorAll(".flag-list input[type=checkbox]")) {
          box.checked = item.flags.includes(box.value);
        }
        for (const radio of card.querySelectorAll(".flag-list input[type=radio]")) {
          radio.checked = (radio.value === "yes" ? item.flags : item.notFlagged).includes(radio.dataset.flag);
        }
        card.querySelector("[data-flag-count]").textContent = item.flags.length || "";
        card.querySelector("[data-note-mark]").hidden = !item.note.trim();
        setValue(card.querySelector("[data-note] textarea"), item.note);
        setValue(card.querySelector("[data-cannot-judge]"), item.cannotJudge ?? "");
      }
    },
  };
}

function renderPill(pill, work, id, letters) {
  const row = rowOf(work.board, id);
  const tied = (work.board.rows[row] ?? []).filter((other) => other !== id).map((other) => letters.get(other));
  const rank = t("Rank {row}", { row: row + 1 });
  const place = row === -1 ? t("Not ranked") : tied.length ? `${rank} = ${tied.join(", ")}` : rank;
  const cannotJudge = work.items[id].cannotJudge !== null;
  pill.textContent = cannotJudge ? t("No rank") : place;
  pill.setAttribute("aria-label", t("Rank of response {letter}: {rank}", { letter: letters.get(id), rank: pill.textContent }));
  pill.classList.toggle("is-ranked", row !== -1);
  pill.disabled = cannotJudge;
}

// Writing the same value again would move the caret.
export function setValue(field, value) {
  if (field.value !== value) {
    field.value = value;
  }
}

function linesOf(card) {
  const body = card.querySelector("[data-body]");
  return body.scrollHeight / Number.parseFloat(getComputedStyle(body).lineHeight);
}

// Every long response is cut at the same height: the length that shows is no argument for it.
function makeFoldable(card, { isOpen, onUnfold }) {
  const button = card.querySelector("[data-show-all]");
  button.hidden = false;
  const fold = (isFolded) => {
    card.classList.toggle("is-collapsed", isFolded);
    button.setAttribute("aria-expanded", String(!isFolded));
    button.textContent = isFolded ? t("Show all") : t("Show less");
  };
  button.addEventListener("click", () => {
    const isFolded = !card.classList.contains("is-collapsed");
    fold(isFolded);
    if (!isFolded) {
      onUnfold();
    }
  });
  fold(!isOpen);
}
