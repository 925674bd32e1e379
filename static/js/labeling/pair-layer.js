// The layer that asks which of two responses is better: both texts beside each other, below 768 px one behind the other.
// It knows nothing of what is asked and why; `onAnswer(given)` and `onUndo()` do.
import { setMath } from "../set-math.js";
import { t } from "../words.js";

const KEYS = { ArrowLeft: "left", ArrowRight: "right", "=": "tie", "-": "undecided" };
const SIDES = ["left", "right"];

export function createPairLayer(dialog, { cards, letters, onAnswer, onUndo, signal }) {
  const find = (name) => dialog.querySelector(`[data-pair-${name}]`);
  const ofSide = (name, side) => dialog.querySelector(`[data-pair-${name}="${side}"]`);
  const tie = ofSide("answer", "tie");
  const shown = { left: null, right: null };
  let isLinked = false;
  let opener = null; // What had the focus before.

  function turnTo(side) {
    dialog.dataset.shows = side;
    SIDES.forEach((each) => ofSide("tab", each).setAttribute("aria-pressed", String(each === side)));
  }

  function showText(side, id) {
    const letter = letters.get(id);
    ofSide("tab", side).textContent = letter;
    ofSide("answer", side).textContent = t("{letter} is better", { letter });
    if (shown[side] === id) {
      return; // Who has begun to read it goes on where they were.
    }
    shown[side] = id;
    const column = ofSide("side", side);
    const body = cards.get(id).querySelector("[data-body]").cloneNode(true);
    body.removeAttribute("data-body");
    column.querySelector("h4").textContent = t("Response {letter}", { letter });
    column.querySelector("[data-pair-text]").replaceChildren(body);
    setMath(body); // On the card it may still be under way.
    column.scrollTop = 0;
  }

  dialog.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button?.dataset.pairAnswer) {
      onAnswer(button.dataset.pairAnswer);
    } else if (button?.dataset.pairTab) {
      turnTo(button.dataset.pairTab);
    } else if (button === find("undo")) {
      onUndo();
    }
  }, { signal });

  dialog.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.repeat) {
      return;
    }
    const given = KEYS[event.key];
    const isAnswer = given !== undefined && !(given === "tie" && tie.hidden);
    if (isAnswer || event.key === "Backspace") {
      event.preventDefault();
      event.stopPropagation(); // The last answer closes the layer, and on the page the same key would rank.
      if (isAnswer) {
        onAnswer(given);
      } else {
        onUndo();
      }
    }
  }, { signal });

  // Both columns are as far down, as a share of what there is to scroll.
  function follow({ currentTarget: column }) {
    const other = ofSide("side", column.dataset.pairSide === "left" ? "right" : "left");
    const share = column.scrollTop / Math.max(1, column.scrollHeight - column.clientHeight);
    const top = Math.round(share * (other.scrollHeight - other.clientHeight));
    if (isLinked && column.matches(":hover, :focus-within") && Math.abs(other.scrollTop - top) > 1) {
      other.scrollTop = top;
    }
  }

  SIDES.forEach((side) => ofSide("side", side).addEventListener("scroll", follow, { passive: true, signal }));
  const layIn = (isIn) => document.body.classList.toggle("has-pair-layer", isIn);
  dialog.addEventListener("close", () => {
    layIn(false);
    if (document.activeElement === document.body || dialog.contains(document.activeElement)) {
      opener.focus({ preventScroll: true }); // It was hidden until now, so the browser could not give the focus back.
    }
  }, { signal });
  signal.addEventListener("abort", () => {
    if (dialog.open) {
      dialog.close();
      layIn(false);
    }
  });

  return {
    // `beside` is the element that stays in sight where the window is wide, and `prompt` has the conversation.
    open({ beside, prompt, allowsTies }) {
      Object.assign(shown, { left: null, right: null });
      tie.hidden = !allowsTies;
      find("prompt").replaceChildren(...[...prompt.querySelectorAll(".message")].map((message) => message.cloneNode(true)));
      setMath(find("prompt"));
      const { left, right, width } = beside.getBoundingClientRect();
      const isRightToLeft = getComputedStyle(dialog).direction === "rtl";
      const room = width === 0 ? 0 : isRightToLeft ? right : window.innerWidth - left;
      dialog.style.setProperty("--beside", `${room}px`);
      opener = document.activeElement;
      layIn(true);
      dialog.showModal();
    },
    close: () => dialog.close(),
    // Whether the columns scroll together from now on.
    link(isOn) {
      isLinked = isOn;
      return isOn;
    },
    // The elements with the two texts, to be marked, until `restore` shows them as they are on their cards.
    async texts() {
      await setMath(dialog);
      return Object.fromEntries(SIDES.map((side) => [side, ofSide("side", side).querySelector("[data-pair-text]")]));
    },
    restore() {
      const ids = { ...shown };
      Object.assign(shown, { left: null, right: null });
      SIDES.forEach((side) => {
        const column = ofSide("side", side);
        const top = column.scrollTop;
        showText(side, ids[side]);
        column.scrollTop = top;
      });
    },
    isOpen: () => dialog.open,
    show({ left, right, progress, order, canUndo }) {
      showText("left", left);
      showText("right", right);
      turnTo("left");
      find("progress").textContent = progress;
      if (order !== undefined) {
        find("order").textContent = order;
      }
      find("undo").setAttribute("aria-disabled", String(!canUndo));
    },
  };
}
