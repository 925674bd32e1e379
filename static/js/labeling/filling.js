// Fills the board from the ratings, by a button or by itself, and wants it looked at afterwards.
import { isEmpty } from "./board.js";
import { filledFromRatings, isRated } from "./fill.js";
import { t } from "../words.js";

// `assist` is what the project lets happen in this task: none, button or presort. `onSeen()` renders.
export function createFilling(board, { assist, store, messages, onSeen }) {
  const { ids } = store;
  const note = board.querySelector("[data-fill-note]");
  const button = board.querySelector("[data-fill]");
  let wasRated = isRated(store.work(), ids);

  const isUnseen = () => store.work().origin === "from_ratings" && store.told().isFillSeen === false;

  function fill() {
    store.change(filledFromRatings(store.work(), ids), t("ranks from ratings"));
    store.tell({ isFillSeen: false, movesAfterFill: 0 }); // Only now: rendering may have focused a chip.
    onSeen();
    messages.announce(t("Filled from ratings, please check"));
  }

  function tryFill() {
    if (assist === "button" && isRated(store.work(), ids)) {
      fill();
    } else if (assist === "button") {
      messages.show(t("Rate all responses first, then fill the ranks from the ratings."), { tone: "warn", isPassing: true });
    }
  }

  function look({ target }) {
    if (isUnseen() && target.closest("[data-fill]") === null) {
      store.tell({ isFillSeen: true });
      onSeen();
    }
  }

  board.addEventListener("focusin", look);
  board.addEventListener("pointerdown", look);

  return {
    tryFill,
    isUnseen,
    render() {
      const work = store.work();
      const isRatedNow = isRated(work, ids);
      const isDue = assist === "presort" && isRatedNow && !wasRated && isEmpty(work.board);
      wasRated = isRatedNow;
      button.hidden = assist !== "button" || !isRatedNow;
      note.hidden = !isUnseen();
      if (isDue) {
        fill();
      }
    },
  };
}
