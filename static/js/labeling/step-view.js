// The buttons for undo and redo: each says what it would undo or do again.

export function createStepView(root) {
  const buttons = [...root.querySelectorAll("[data-step]")];
  const names = new Map(buttons.map((button) => [button, button.textContent.trim()]));
  return {
    enable(onStep) {
      for (const button of buttons) {
        button.addEventListener("click", () => onStep(button.dataset.step));
      }
    },
    // `next` has the labels of what would be undone and redone, if there is any.
    render(next) {
      for (const [button, name] of names) {
        const label = next[button.dataset.step];
        // Not disabled: that would take the focus away from whoever presses it until nothing is left.
        button.setAttribute("aria-disabled", String(label === undefined));
        button.title = label === undefined ? "" : `${name}: ${label}`;
        button.setAttribute("aria-label", label === undefined ? name : `${name}: ${label}`);
      }
    },
  };
}
