// The labeling screen: holds the work, applies actions to it and renders it. Everything else is in the
// modules: what actions mean (board, judgments), what keys mean (shortcuts), how it looks (the views).
import { countActiveTime } from "./active-time.js";
import { createActions } from "./actions.js";
import { createBoardView } from "./board-view.js";
import { enableBoardClicks } from "./board-clicks.js";
import { createCardView } from "./card-view.js";
import { enableCardInputs } from "./card-inputs.js";
import { enableDrag } from "./drag.js";
import { newKey, openDraft } from "./draft.js";
import { firstIncomplete, isComplete, missingText, restoredWork, submission } from "./judgments.js";
import { enableKeyboard } from "./keyboard.js";
import { keepLease } from "./lease.js";
import { createMessages, explain } from "./messages.js";
import { createRankMenu } from "./rank-menu.js";
import { enableSkip } from "./skip.js";
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
const saved = draft.read();
let key = saved?.key ?? newKey();
const activeMs = countActiveTime(saved?.activeMs ?? 0, form.textContent);
const messages = createMessages(find("[data-message]"), find("[data-announcer]"));
const boardView = createBoardView(find("[data-board]"), ids.map((id) => ({ id, letter: letters.get(id) })));
const cardView = createCardView(cards, letters);

let work = restoredWork(saved?.work, ids);
let sent = saved?.isSent ? work : null; // What `key` was used for already.
let view = { active: ids[0], picked: null };

function render() {
  boardView.render(work, view);
  cardView.render(work, view);
  const status = find("[data-status]");
  status.textContent = missingText(work, letters);
  status.classList.toggle("is-ready", isComplete(work, ids));
  find("[data-submit]").disabled = !isComplete(work, ids);
}

function saveDraft() {
  const isKept = draft.write({ key, isSent: sent !== null, work, activeMs: activeMs() });
  find("[data-save-state]").textContent = isKept ? "Draft saved" : "Draft not saved";
}

const store = {
  ids,
  letters,
  work: () => work,
  view: () => view,
  change(changed) {
    work = changed;
    if (sent) {
      [key, sent] = [newKey(), null]; // A correction is another ranking.
    }
    messages.clearPassing();
    render();
    saveDraft();
  },
  look(changed) {
    view = { ...view, ...changed };
    render();
  },
};

const submit = createSubmit({ taskId, next, messages, button: find("[data-submit]") });

async function trySubmit() {
  if (isComplete(work, ids)) {
    sent = work;
    saveDraft();
    const isStored = await submit(key, { lease_token: leaseToken, ...submission(work, ids), active_ms: activeMs() });
    if (isStored && sent) {
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
enableSkip(find("#skip"), { taskId, leaseToken, next, onSkipped: goOn });
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (document.activeElement === find("[data-submit]")) {
    trySubmit(); // Enter in a rating must not submit.
  }
});
form.reset();
find("[data-task-note]").value = work.note;
render();
if (saved) {
  find("[data-save-state]").textContent = "Draft restored";
}
