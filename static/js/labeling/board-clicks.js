// Placing without dragging: pick a chip up, then choose a row, a gap or the tray. Arrows go from chip to chip.
import { inReadingOrder } from "./direction.js";

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export function enableBoardClicks(board, { store, perform, toggle, signal }) {
  board.addEventListener("click", (event) => {
    const chip = event.target.closest(".chip");
    const { picked } = store.view();
    if (chip && (picked === null || picked === Number(chip.dataset.chip))) {
      const id = Number(chip.dataset.chip);
      store.look({ active: id, picked: picked === null ? id : null });
      return;
    }
    const target = picked === null ? null : targetOf(event.target);
    if (target) {
      store.look({ picked: null });
      perform(target, { id: picked, method: "click" });
      board.querySelector(`[data-chip="${picked}"]`)?.focus({ preventScroll: true });
    }
  });

  board.addEventListener("focusin", (event) => {
    const chip = event.target.closest(".chip");
    if (chip && store.view().active !== Number(chip.dataset.chip)) {
      store.look({ active: Number(chip.dataset.chip) });
    }
  });

  board.addEventListener("keydown", (event) => {
    const chip = event.target.closest(".chip");
    if (!chip || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    if (event.key in STEPS) {
      const chips = [...board.querySelectorAll(".chip")];
      chips[chips.indexOf(chip) + STEPS[inReadingOrder(event.key, board)]]?.focus();
      event.preventDefault();
    } else if (event.key === "Delete") {
      perform(["unrank"], { id: Number(chip.dataset.chip) });
    }
  });

  toggle.addEventListener("click", () => {
    const isOpen = board.classList.toggle("is-open");
    toggle.setAttribute("aria-expanded", String(isOpen));
  }, { signal });
  toggle.setAttribute("aria-expanded", "false");
}

function targetOf(element) {
  const gap = element.closest("[data-gap]");
  if (gap) {
    return ["placeBetween", Number(gap.dataset.gap)];
  }
  const row = element.closest("[data-row]");
  if (row) {
    return ["place", Number(row.dataset.row)];
  }
  return element.closest("[data-tray]") ? ["unrank"] : null;
}
