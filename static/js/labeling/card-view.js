// Shows the work on the response cards: rating, rank pill, flags, note, cannot judge; folds long texts.
import { rowOf } from "./board.js";

const LONG_LINES = 30;

// `opened` are those that were unfolded in an earlier visit; `onOpen(id)` says of another.
export function createCardView(cards, letters, { opened, onOpen }) {
  const folded = new Set();
  for (const [id, card] of cards) {
    if (foldIfLong(card, () => { folded.delete(id); onOpen(id); }) && !opened.includes(id)) {
      folded.add(id);
    }
  }
  return {
    // The long responses of which only the beginning was ever seen.
    unopened: () => [...folded],
    render(work, { active }) {
      for (const [id, card] of cards) {
        const item = work.items[id];
        card.classList.toggle("is-active", id === active);
        card.classList.toggle("cannot-be-judged", item.cannotJudge);
        for (const radio of card.querySelectorAll(".rating input")) {
          radio.checked = Number(radio.value) === item.rating;
        }
        renderPill(card.querySelector("[data-rank-pill]"), work, id, letters);
        for (const box of card.querySelectorAll(".flag-list input")) {
          box.checked = item.flags.includes(box.value);
        }
        card.querySelector("[data-flag-count]").textContent = item.flags.length || "";
        card.querySelector("[data-note-mark]").hidden = !item.note.trim();
        setValue(card.querySelector("[data-note] textarea"), item.note);
        card.querySelector(".cannot-judge input").checked = item.cannotJudge;
      }
    },
  };
}

function renderPill(pill, work, id, letters) {
  const row = rowOf(work.board, id);
  const tied = (work.board.rows[row] ?? []).filter((other) => other !== id).map((other) => letters.get(other));
  const place = row === -1 ? "Not ranked" : `Rank ${row + 1}${tied.length ? ` = ${tied.join(", ")}` : ""}`;
  pill.textContent = work.items[id].cannotJudge ? "No rank" : place;
  pill.setAttribute("aria-label", `Rank of response ${letters.get(id)}: ${pill.textContent}`);
  pill.classList.toggle("is-ranked", row !== -1);
  pill.disabled = work.items[id].cannotJudge;
}

// Writing the same value again would move the caret.
export function setValue(field, value) {
  if (field.value !== value) {
    field.value = value;
  }
}

// Every long response is cut at the same height: the length that shows is no argument for it.
function foldIfLong(card, onUnfold) {
  const body = card.querySelector("[data-body]");
  const button = card.querySelector("[data-show-all]");
  const lineHeight = Number.parseFloat(getComputedStyle(body).lineHeight);
  const isLong = body.scrollHeight > LONG_LINES * lineHeight;
  card.classList.add("is-measured");
  if (!isLong) {
    return false;
  }
  button.hidden = false;
  const fold = (isFolded) => {
    card.classList.toggle("is-collapsed", isFolded);
    button.setAttribute("aria-expanded", String(!isFolded));
    button.textContent = isFolded ? "Show all" : "Show less";
    if (!isFolded) {
      onUnfold();
    }
  };
  button.addEventListener("click", () => fold(!card.classList.contains("is-collapsed")));
  fold(true);
  return true;
}
