// What all tasks of a labeling page share: their name, messages, the states in the header and in the bar, and the choice
// of a draft.
import { createDraftChoice } from "./draft-choice.js";
import { createMessages } from "./messages.js";
import { createSaveState } from "./save-state.js";
import { createStepView } from "./step-view.js";
import { createTaskName } from "./task-name.js";
import { watchBar } from "./bar-height.js";
import { watchScrollable } from "../scrollable.js";

export function createPage(context) {
  const find = (selector) => document.querySelector(selector);
  watchBar(find(".bar"));
  watchScrollable(find("#guidelines"));
  find("[data-labeling]").style.setProperty("--preview-lines", context.settings.preview_lines);
  const more = find("#more-actions");
  // First of all: what opens then gives the focus back to the button of the menu, which stays to be seen.
  more.addEventListener("click", ({ target }) => target.closest("button") && more.hidePopover(), { capture: true });
  return {
    context,
    messages: createMessages({
      region: find("[data-message]"), passing: find("[data-passing]"), announcer: find("[data-announcer]"),
    }),
    stepView: createStepView(find("[data-labeling]")),
    saveState: createSaveState(find("[data-save-state]")),
    sheetToggle: find("[data-sheet-toggle]"),
    nameTask: createTaskName(document),
    askWhichDraft: createDraftChoice(find("#draft-choice")),
    // Not where it is so already: that would take milliseconds between two tasks.
    setAddress(path) {
      if (window.location.pathname !== path) {
        window.history.replaceState(null, "", path);
      }
    },
    status(text, isReady) {
      const status = find("[data-status]");
      status.textContent = text;
      status.classList.toggle("is-ready", isReady);
      find("[data-submit]").setAttribute("aria-disabled", String(!isReady)); // A click says and shows what is missing.
    },
  };
}
