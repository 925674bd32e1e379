// The labeling screen: puts its parts together and renders the work. Everything else is in the modules: the work
// itself (store, history), what actions mean (board, judgments), what keys mean (shortcuts), how it looks (the views).
import { countActiveTime, wordsToRead } from "./active-time.js";
import { createActions } from "./actions.js";
import { concernsOf } from "./concerns.js";
import { createBoardView } from "./board-view.js";
import { enableBoardClicks } from "./board-clicks.js";
import { createCardView, setValue } from "./card-view.js";
import { enableCardInputs } from "./card-inputs.js";
import { enableDrag } from "./drag.js";
import { openDraft } from "./draft.js";
import { firstIncomplete, isComplete, missingText, submission } from "./judgments.js";
import { enableKeyboard } from "./keyboard.js";
import { keepLease } from "./lease.js";
import { createMessages, explain } from "./messages.js";
import { createRankMenu } from "./rank-menu.js";
import { createReview } from "./review.js";
import { enableSkip } from "./skip.js";
import { createStore } from "./store.js";
import { createStepView } from "./step-view.js";
import { createSubmit } from "./submit.js";

const form = document.querySelector("[data-labeling]");
const find = (selector) => document.querySelector(selector);
const { task: taskId, labeler, next } = form.dataset;
const leaseToken = form.elements.lease_token.value;
const cards = new Map(
  [...form.querySelectorAll("[data-response]")].map((card) => [Number(card.dataset.response), card]),
);
const ids = [...cards.keys()];
const letters = new Map(ids.map((id) => [id, cards.get(id).dataset.letter]));

const draft = openDraft(labeler, taskId);
const activeMs = countActiveTime(draft.read()?.activeMs ?? 0, wordsToRead(form));
const messages = createMessages(find("[data-message]"), find("[data-announcer]"));
const boardView = createBoardView(find("[data-board]"), ids.map((id) => ({ id, letter: letters.get(id) })));
const stepView = createStepView(form);

const store = createStore({
  ids,
  letters,
  draft,
  activeMs,
  onChange(what) {
    if (what === "work") {
      messages.clearPassing();
    }
    render();
  },
  onSaved(isKept) {
    find("[data-save-state]").textContent = isKept ? "Draft saved" : "Draft not saved";
  },
});

const cardView = createCardView(cards, letters, { opened: store.opened(), onOpen: store.open });
const review = createReview(messages, {
  concerns: () => concernsOf(store.work(), letters, {
    unopened: cardView.unopened(), words: wordsToRead(form), activeMs: activeMs(),
  }),
  onLook: (id) => perform(["focus", ids.indexOf(id)], {}),
});

function render() {
  const work = store.work();
  boardView.render(work, store.view());
  cardView.render(work, store.view());
  stepView.render(store.next());
  setValue(find("[data-task-note]"), work.note);
  const status = find("[data-status]");
  status.textContent = missingText(work, letters);
  status.classList.toggle("is-ready", isComplete(work, ids));
  find("[data-submit]").disabled = !isComplete(work, ids);
}

const submit = createSubmit({ taskId, next, messages, button: find("[data-submit]") });

async function trySubmit() {
  const work = store.work();
  if (isComplete(work, ids)) {
    if (review.asks()) {
      return;
    }
    const body = { lease_token: leaseToken, ...submission(work, ids), active_ms: activeMs(), warnings: review.warnings() };
    const isStored = await submit(store.send(), body);
    if (isStored && store.isAsSent()) {
      goOn();
    } else if (isStored) {
      messages.show("Stored as it was when you submitted. Submit again to store what you changed since.", { tone: "warn" });
    }
  } else {
    perform(["focus", ids.indexOf(firstIncomplete(work, ids))], {});
    messages.show(`Not complete: ${missingText(work, letters)}`, { tone: "warn" });
  }
}

function goOn() {
  stopLease();
  draft.drop();
  window.location.assign(next);
}

const perform = createActions({ store, cards, boardView, messages, trySubmit });
const rankMenu = createRankMenu(find("[data-rank-menu]"), {
  rowCount: ids.length, letters, onChoice: (id, choice) => perform(choice, { id }),
});
const stopLease = keepLease(taskId, leaseToken, (status, problem) => {
  const { text, link } = explain(status, problem, next);
  messages.show(text, { link });
});

enableCardInputs(cards, { store, messages, taskNote: find("[data-task-note]"), openMenu: rankMenu.open });
enableBoardClicks(find("[data-board]"), { store, perform, toggle: find("[data-sheet-toggle]") });
enableDrag(find("[data-board]"), {
  onStart: (id) => store.look({ active: id, picked: id }),
  onEnd: (id, action) => {
    store.look({ picked: null });
    perform(action, { id });
  },
});
enableKeyboard(ids.length, perform);
stepView.enable((name) => perform([name], {}));
enableSkip(find("#skip"), { taskId, leaseToken, next, onSkipped: goOn });
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (document.activeElement === find("[data-submit]")) {
    trySubmit(); // Enter in a rating must not submit.
  }
});
form.reset();
render();
if (store.isRestored) {
  find("[data-save-state]").textContent = "Draft restored";
}
