// Ranking by questions: asks, writes each answer down, and keeps the board in step with what is sorted so far.
import { isRanked } from "./board.js";
import { judgedOf } from "./fill.js";
import * as neighbours from "./guided-check.js";
import { createPairLayer } from "./pair-layer.js";
import * as insertion from "./guided.js";
import { t } from "../words.js";

const MAX_ANSWERS = 500; // So many are stored with a ranking.
const MAX_MS = 24 * 3600 * 1000;
const SORTING = { ...insertion, source: "guided", progress: (count, more) => t("Question {count}, at most {more} more", { count, more }) };
const CHECK = { ...neighbours, source: "check", progress: (count, more) => t("Neighbors {count}, at most {more} more", { count, more }) };

// `onSorted()` and `onChecked()` are called with the layer closed, unless `goesOnToCheck`.
export function createGuidedRanking({ root, board, cards, rules, store, cardView, log, messages, signal, goesOnToCheck, onSorted, onChecked }) {
  const { ids, letters } = store;
  const layer = createPairLayer(document.getElementById("guided"), { cards, letters, onAnswer, onUndo, signal });
  let kind = SORTING;
  let state = null;
  let left = null; // Where sorting was left, to go on from there.
  let askedAt = 0;

  const unranked = () => judgedOf(store.work(), ids).filter((id) => !isRanked(store.work().board, id));
  const named = (id) => letters.get(id);

  function begin(nextKind, nextState) {
    kind = nextKind;
    state = nextState;
    if (kind.question(state) === null) {
      finish();
      return;
    }
    if (!layer.isOpen()) {
      layer.open({ beside: board, prompt: root.querySelector("#prompt"), allowsTies: rules.allowsTies });
    }
    ask();
  }

  function ask() {
    const asked = kind.question(state);
    const more = kind.remaining(state) - 1;
    askedAt = performance.now();
    cardView.opened(asked.left);
    cardView.opened(asked.right);
    layer.show({
      ...asked,
      progress: kind.progress(state.asked + 1, more),
      order: state.rows.map((row) => row.map(named).join(" = ")).join(" > "),
      canUndo: state.before !== null,
    });
  }

  function onAnswer(given) {
    const asked = kind.question(state);
    const ms = Math.min(Math.round(performance.now() - askedAt), MAX_MS);
    const told = { ...asked, answer: given, source: kind.source, ms };
    const next = kind.answer(state, given);
    log("guided_answer", told);
    store.tell({
      pairAnswers: [...store.told().pairAnswers, told].slice(-MAX_ANSWERS),
      ...(kind === SORTING && { areNeighborsChecked: false }),
    });
    if (next.rows !== state.rows) {
      store.change(withRows(next.rows, state.waiting?.[0] ?? null), labelOf(asked, next.rows));
    }
    state = next;
    left = kind === SORTING ? state : left;
    if (kind.question(state) === null) {
      finish();
    } else {
      ask();
    }
  }

  // An answer that is taken back was a slip: it is not stored with the ranking.
  function onUndo() {
    const earlier = kind.undo(state);
    if (earlier === state) {
      return;
    }
    log("undo", { of: "guided_answer" });
    store.tell({ pairAnswers: store.told().pairAnswers.slice(0, -1) });
    if (earlier.rows !== state.rows) {
      store.undo();
    }
    state = earlier;
    left = kind === SORTING ? state : left;
    ask();
  }

  function finish() {
    if (kind === SORTING && goesOnToCheck) {
      check();
      return;
    }
    layer.close();
    if (kind === CHECK) {
      store.tell({ areNeighborsChecked: true });
      onChecked();
    } else {
      onSorted();
    }
  }

  function withRows(rows, last) {
    const filled = Array.from({ length: ids.length }, (_, index) => rows[index] ?? []);
    return { ...store.work(), board: { rows: filled, last }, origin: "guided" };
  }

  function labelOf(asked, rows) {
    if (kind === CHECK) {
      return t("neighbors {left} and {right}", { left: named(asked.left), right: named(asked.right) });
    }
    const [next] = state.waiting;
    const row = rows.findIndex((each) => each.includes(next)) + 1;
    return t("{letter} to rank {row}, by questions", { letter: named(next), row });
  }

  function check() {
    begin(CHECK, neighbours.start(store.work().board.rows, rules));
  }

  return {
    check,
    // Sorts what is not ranked into what is.
    sort() {
      const { rows } = store.work().board;
      const waiting = unranked();
      if (judgedOf(store.work(), ids).length < 2) {
        messages.announce(t("There are fewer than two responses to compare"));
      } else if (left && insertion.goesOn(left, { rows, unranked: waiting })) {
        begin(SORTING, { ...left, before: null }); // What was answered before is undone on the board.
      } else {
        begin(SORTING, insertion.start(insertion.shuffled(waiting), { rows, allowsTies: rules.allowsTies }));
      }
    },
    isAllRanked: () => unranked().length === 0,
  };
}
