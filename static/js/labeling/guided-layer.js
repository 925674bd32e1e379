// The layer that asks which of two responses is better: both texts beside each other, below 768 px one behind the other.
// It knows nothing of what is asked and why; `onAnswer(given)` and `onUndo()` do.

const KEYS = { ArrowLeft: "left", ArrowRight: "right", "=": "tie", "-": "undecided" };
const SIDES = ["left", "right"];

export function createGuidedLayer(dialog, { cards, letters, onAnswer, onUndo, signal }) {
  const find = (name) => dialog.querySelector(`[data-guided-${name}]`);
  const ofSide = (name, side) => dialog.querySelector(`[data-guided-${name}="${side}"]`);
  const tie = ofSide("answer", "tie");
  const shown = { left: null, right: null };

  function turnTo(side) {
    dialog.dataset.shows = side;
    SIDES.forEach((each) => ofSide("tab", each).setAttribute("aria-pressed", String(each === side)));
  }

  function showText(side, id) {
    ofSide("tab", side).textContent = letters.get(id);
    if (shown[side] === id) {
      return; // Who has begun to read it goes on where they were.
    }
    shown[side] = id;
    const column = ofSide("side", side);
    const body = cards.get(id).querySelector("[data-body]").cloneNode(true);
    body.removeAttribute("data-body");
    column.querySelector("h4").textContent = `Response ${letters.get(id)}`;
    column.querySelector("[data-guided-text]").replaceChildren(body);
    column.scrollTop = 0;
  }

  dialog.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button?.dataset.guidedAnswer) {
      onAnswer(button.dataset.guidedAnswer);
    } else if (button?.dataset.guidedTab) {
      turnTo(button.dataset.guidedTab);
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

  signal.addEventListener("abort", () => dialog.close());

  return {
    // `beside` is the element that stays in sight where the window is wide, and `prompt` has the conversation.
    open({ beside, prompt, allowsTies }) {
      Object.assign(shown, { left: null, right: null });
      tie.hidden = !allowsTies;
      find("prompt").replaceChildren(...[...prompt.querySelectorAll(".message")].map((message) => message.cloneNode(true)));
      const { left, right, width } = beside.getBoundingClientRect();
      const isRightToLeft = getComputedStyle(dialog).direction === "rtl";
      const room = width === 0 ? 0 : isRightToLeft ? right : window.innerWidth - left;
      dialog.style.setProperty("--beside", `${room}px`);
      dialog.showModal();
    },
    close: () => dialog.close(),
    isOpen: () => dialog.open,
    show({ left, right, progress, order, canUndo }) {
      showText("left", left);
      showText("right", right);
      turnTo("left");
      find("progress").textContent = progress;
      find("order").textContent = order;
      find("undo").setAttribute("aria-disabled", String(!canUndo));
    },
  };
}
