// The button that unfolds all long responses, or folds them when all are open; there is none where nothing is long.

export function enableExpandAll(root) {
  const button = root.querySelector("[data-expand-all]");
  const long = [...root.querySelectorAll("[data-show-all]:not([hidden])")];
  button.hidden = long.length < 2;
  button.addEventListener("click", () => {
    const folded = long.filter((one) => one.getAttribute("aria-expanded") === "false");
    (folded.length > 0 ? folded : long).forEach((one) => one.click());
  });
}
