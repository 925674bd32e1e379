// Renders the work on a task: cards, board, remarks on the whole task, and what the page around it shows of it.
import { afterFrame } from "./after-frame.js";
import { createBoardView } from "./board-view.js";
import { createCardView, setValue } from "./card-view.js";
import { enableExpandAll } from "./expand-all.js";
import { foldLongPrompt } from "./long-prompt.js";
import { enableOutlines } from "./outline.js";
import { watchScrollable } from "../scrollable.js";
import { isComplete, missingText } from "./judgments.js";

export function createTaskView({ root, board, cards, letters, rules, page, store, log }) {
  const { preferences, settings } = page.context;
  const { ids } = store;
  watchScrollable(root);
  foldLongPrompt(root.querySelector(".prompt"), { onUnfold: () => log("expand", { part: "prompt" }) });
  enableOutlines(cards);
  const boardView = createBoardView(board, ids.map((id) => ({ id, letter: letters.get(id) })), {
    showsRatings: rules.flow !== "two_step",
  });
  const cardView = createCardView(cards, letters, {
    opened: preferences.expand_all ? ids : store.opened(),
    previewLines: settings.preview_lines,
    onOpen(id) {
      store.open(id);
      log("expand", { response: id });
    },
  });

  function render() {
    const work = store.work();
    boardView.render(work, store.view());
    cardView.render(work, store.view());
    page.stepView.render(store.next());
    setValue(root.querySelector("[data-task-note]"), work.note);
    setValue(root.querySelector("[data-cannot-rank]"), work.cannotRank ?? "");
    board.classList.toggle("cannot-be-ranked", work.cannotRank !== null);
    for (const box of root.querySelectorAll("[data-task-flags] input")) {
      box.checked = work.flags.includes(box.value);
    }
    page.status(missingText(work, letters, rules), isComplete(work, ids, rules));
  }

  // Once everything else of the page is in its place, so that heights are found only once.
  function foldLong() {
    cardView.foldLong();
    enableExpandAll(root);
    root.classList.add("is-measured");
    afterFrame(() => root.classList.add("is-laid-out"));
  }

  return { boardView, cardView, render, foldLong };
}
