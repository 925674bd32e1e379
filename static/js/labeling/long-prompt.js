// A very long prompt opens with its beginning and its end; what lies between is one click, or one find, away.
import { t } from "../words.js";

const LONG = 4000; // Characters; shorter prompts are shown whole.
const SHOWN = 1200; // At each end.

export function foldLongPrompt(prompt, { onUnfold }) {
  const blocks = [...prompt.querySelectorAll(".message .prose > *")];
  const between = betweenEnds(blocks.map((block) => block.textContent.length)).map((index) => blocks[index]);
  if (between.length === 0) {
    return;
  }
  const words = between.reduce((sum, block) => sum + (block.textContent.match(/\S+/g)?.length ?? 0), 0);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "show-all";
  button.textContent = t("Show the {count} words between", { count: words });
  const unfold = () => {
    button.remove();
    between.forEach((block) => { block.hidden = false; });
    onUnfold();
  };
  button.addEventListener("click", () => {
    unfold();
    between[0].tabIndex = -1; // The button is gone; reading goes on where it was.
    between[0].focus({ preventScroll: true });
  });
  between[0].before(button);
  between.forEach((block) => {
    block.hidden = "until-found";
    block.addEventListener("beforematch", unfold, { once: true });
  });
}

// Which of the blocks, by their lengths, lie wholly between the beginning and the end that are shown.
export function betweenEnds(lengths) {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const hidden = [];
  let start = 0;
  lengths.forEach((length, index) => {
    if (total > LONG && start >= SHOWN && start + length <= total - SHOWN) {
      hidden.push(index);
    }
    start += length;
  });
  return hidden;
}
