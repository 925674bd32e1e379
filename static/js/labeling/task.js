// One task on the screen: puts its parts together, renders the work, and makes the ranking that is sent.
// Everything else is in the modules: the work itself (store, history), what actions mean (board, judgments),
// how it looks (the views). What outlives a task is in main.js.
import { createActions } from "./actions.js";
import { idleAfterMs, wordsToRead } from "./active-time.js";
import { enableBoardClicks } from "./board-clicks.js";
import { enableCardInputs } from "./card-inputs.js";
import { concernsOf } from "./concerns.js";
import { enableDrag } from "./drag.js";
import { enableFlagKeys } from "./flag-keys.js";
import { keepDraft, readDrafts } from "./task-draft.js";
import { createTaskView } from "./task-view.js";
import { createEventLog } from "./events.js";
import { emptyWork, firstIncomplete, isComplete, missingText } from "./judgments.js";
import { createRankAids } from "./rank-aids.js";
import { createRankMenu } from "./rank-menu.js";
import { rankingEntry } from "./ranking-entry.js";
import { createReview } from "./review.js";
import { rulesOf } from "./rules.js";
import { createStore } from "./store.js";
import { workFrom } from "./submission.js";
import { watchCards } from "./visibility.js";
import { t } from "../words.js";

// `root` is the element with the prompt, the responses and the board. `page` has what is shared by all tasks: context,
// messages, stepView, saveState, askWhichDraft; `onReady(entry)` gets the ranking that is to be sent.
export function openTask(root, { page, onReady }) {
  const told = JSON.parse(root.dataset.workplace);
  const { context, messages } = page;
  const ending = new AbortController();
  const { signal } = ending;
  const openedAt = Date.now();
  const cards = new Map(
    [...root.querySelectorAll("[data-response]")].map((card) => [Number(card.dataset.response), card]),
  );
  const ids = [...cards.keys()];
  const letters = new Map(ids.map((id) => [id, cards.get(id).dataset.letter]));
  const twins = new Map(ids.map((id) => [id, JSON.parse(cards.get(id).dataset.twins)]));
  const rules = rulesOf(context.settings, root);
  const words = wordsToRead(root);
  const board = root.querySelector("[data-board]");
  let lease = { token: told.leaseToken, expiresAt: told.leaseExpiresAt };

  const log = createEventLog(told.id, { signal });
  const { draft, saved, isAsking } = readDrafts(told, context.labeler);
  const seen = watchCards(cards, { signal });
  seen.restore(saved);
  let activeMs = Number(saved?.activeMs) || 0;

  const store = createStore({
    ids,
    letters,
    saved,
    initial: told.submitted ? workFrom(told.submitted, ids) : emptyWork(ids),
    draft,
    measures: () => ({ activeMs: Math.round(activeMs), ...seen.measures() }),
    onChange(what) {
      if (what === "work") {
        if (messages.clearPassing()) { cards.get(store.view().active).focus({ preventScroll: true }); }
        autosave.changed();
      }
      render();
      aids.render();
    },
    onSaved: (isKept) => page.saveState(isKept ? "kept" : "not kept"),
  });
  const autosave = keepDraft({ told, page, store, letters, isAsking, signal });

  const { boardView, cardView, render, foldLong } = createTaskView({ root, board, cards, letters, rules, page, store, log });
  const aids = createRankAids({ taskId: told.id, assist: told.rankAssist, root, board, cards, rules, page, store, cardView, log, signal });
  const review = createReview(messages, {
    letters,
    concerns: () => concernsOf(store.work(), letters, {
      unopened: cardView.unopened(), words, activeMs, gap: context.settings.conflict_gap,
    }),
    onShown: (found) => found.forEach(({ kind, ids: about }) => log("warning_shown", { kind, responses: about })),
    onOpen(id) {
      perform(["focusOn", id], {});
      if (cardView.unopened().includes(id)) {
        perform(["expand"], { id });
      }
    },
    onCompare: (wanted) => aids.compare.open({ wanted }),
  });

  function trySubmit({ isPausing = false } = {}) {
    const work = store.work();
    if (told.isClosed) {
      messages.show(t("The round is closed: this ranking cannot be changed any more."), { tone: "warn" });
    } else if (!isComplete(work, ids, rules)) {
      perform(["focusOn", firstIncomplete(work, ids, rules)], {});
      messages.show(t("Not complete: {missing}", { missing: missingText(work, letters, rules) }), { tone: "warn" });
    } else if (!aids.objects() && !review.asks(() => trySubmit({ isPausing }))) {
      onReady(rankingEntry({
        told, ids, twins, store, cardView, review, lease, cardMs: seen.ms(), activeMs, wallMs: Date.now() - openedAt, log,
      }), { isPausing });
    }
  }

  const perform = createActions({ store, cards, boardView, messages, log, rules, aids, preferences: context.preferences });
  const rankMenu = createRankMenu(root.querySelector("[data-rank-menu]"), {
    rowCount: ids.length, letters, preferences: context.preferences, onChoice: (id, choice) => perform(choice, { id, method: "click" }),
  });
  enableFlagKeys(root, context);
  enableCardInputs(cards, { store, messages, log, root, rules, openMenu: rankMenu.open, compare: aids.compare, perform });
  enableBoardClicks(board, { store, perform, toggle: page.sheetToggle, signal });
  const endDrag = enableDrag(board, {
    onStart: (id) => store.look({ active: id, picked: id }),
    onEnd: (id, action) => {
      store.look({ picked: null });
      perform(action, { id, method: "drag" });
    },
  });
  log("task_open", { is_restored: saved !== null });
  render();
  aids.render();
  page.saveState(saved === null ? "" : "restored");

  return {
    id: told.id,
    round: told.round,
    letterCount: told.displayOrder.length,
    isDone: told.leaseToken === null,
    wasCovered: root.classList.contains("is-veiled"),
    root,
    store,
    log,
    perform,
    trySubmit,
    idleAfterMs: idleAfterMs(words, context.settings.idle_seconds_min),
    activeMs: () => activeMs,
    saveNow: autosave.now,
    foldLong,
    lease: () => (lease.token === null ? null : { id: told.id, displayOrder: told.displayOrder, ...lease }),
    keepLease(next) {
      lease = next;
    },
    countActive(ms) {
      activeMs += ms;
      seen.count(ms);
      aids.count(ms);
    },
    close() {
      endDrag();
      ending.abort();
    },
  };
}
