// Compares two responses: beside each other, scrolled together, with what differs marked. What is answered is written
// down; the board only changes when the labeler says so.
import { contradiction, moveText, nextPair } from "./compare-pairs.js";
import { markDifferences } from "./difference-marks.js";
import { differencesOf } from "./differences.js";
import { withBoard } from "./judgments.js";
import { createPairLayer } from "./pair-layer.js";
import { t } from "../words.js";

const MAX_ANSWERS = 500; // So many are stored with a ranking.
const MAX_MS = 24 * 3600 * 1000;

export function createCompare({ taskId, root, board, cards, rules, store, cardView, log, messages, signal }) {
  const { ids, letters } = store;
  const dialog = document.getElementById("compare");
  const find = (name) => dialog.querySelector(`[data-pair-${name}]`);
  const layer = createPairLayer(dialog, { cards, letters, onAnswer, onUndo, signal });
  let pinned = [];
  let pair = null;
  let answered = null; // Of this pair, in this visit.
  let askedAt = 0;
  let isMarking = false;
  let marking = null; // Only what was asked last is marked.
  let move = null;

  const named = (id) => letters.get(id);

  function pin(id) {
    pinned = pinned.includes(id) ? pinned.filter((other) => other !== id) : [...pinned, id].slice(-2);
    cards.forEach((card, each) => card.querySelector("[data-pin]").setAttribute("aria-pressed", String(pinned.includes(each))));
    messages.announce(pinned.length ? t("Pinned: {letters}", { letters: pinned.map(named).join(", ") }) : t("Nothing pinned"));
  }

  function proposed() {
    const [first] = pinned;
    if (pinned.length === 2) {
      return pinned;
    }
    const next = nextPair(store.work().board, ids, store.told().pairAnswers) ?? ids.slice(0, 2);
    return first === undefined ? next : [first, ids.find((id) => id !== first && id === store.view().active) ?? next.find((id) => id !== first)];
  }

  // Without `wanted` it is what is pinned, else what comes next.
  function open({ wanted = proposed(), isMarking: marks = false } = {}) {
    if (ids.length < 2) { return; } // All have the same text.
    if (root.classList.contains("is-veiled")) {
      messages.show(t("Show the text first, then compare."), { tone: "warn", isPassing: true });
      return;
    }
    isMarking = marks;
    if (!layer.isOpen()) {
      layer.open({ beside: board, prompt: root.querySelector("#prompt"), allowsTies: rules.allowsTies });
    }
    show(wanted);
  }

  function show(next) {
    pair = next;
    answered = null;
    askedAt = performance.now();
    pair.forEach(cardView.opened);
    log("compare_open", { responses: pair });
    const [left, right] = pair;
    layer.show({ left, right, progress: "", canUndo: false });
    say("");
    mark();
  }

  async function mark() {
    find("differences").setAttribute("aria-pressed", String(isMarking));
    layer.restore();
    const asked = marking = {};
    if (isMarking) {
      const [found, texts] = await Promise.all([differencesOf(taskId, ...pair), layer.texts()]);
      if (asked === marking) {
        say(found.problem ?? markDifferences(texts, found));
      }
    }
  }

  function toggleMarks() {
    isMarking = !isMarking;
    log("diff_toggle", { is_on: isMarking });
    say("");
    mark();
  }

  function onAnswer(given) {
    const [left, right] = pair;
    const ms = Math.min(Math.round(performance.now() - askedAt), MAX_MS);
    answered = { left, right, answer: given, source: "compare", ms };
    log("compare_answer", answered);
    store.tell({ pairAnswers: [...store.told().pairAnswers, answered].slice(-MAX_ANSWERS) });
    const other = contradiction(store.work().board, answered);
    offer(other);
    say(other ? t("Noted. The board says something else.") : t("Noted."));
  }

  function offer(other) {
    move = other;
    const button = find("move");
    button.hidden = other === null;
    button.textContent = other ? moveText(named(other.better), named(other.worse), other.isTie) : "";
  }

  function onUndo() {
    if (answered !== null) {
      store.tell({ pairAnswers: store.told().pairAnswers.filter((each) => each !== answered) });
      answered = null;
      offer(null);
      say(t("Answer taken back."));
    }
  }

  function say(text) {
    find("said").textContent = text;
    if (text === "") {
      offer(null);
    }
  }

  function following() {
    const next = nextPair(store.work().board, ids, store.told().pairAnswers);
    if (next === null) {
      say(t("All pairs are compared."));
    } else {
      show(next);
    }
  }

  find("differences").addEventListener("click", toggleMarks, { signal });
  find("next").addEventListener("click", following, { signal });
  find("linked").addEventListener("click", ({ currentTarget }) => {
    const isLinked = layer.link(currentTarget.getAttribute("aria-pressed") !== "true");
    currentTarget.setAttribute("aria-pressed", String(isLinked));
  }, { signal });
  find("move").addEventListener("click", () => {
    store.change(withBoard(store.work(), move.board), find("move").textContent);
    say(t("Moved."));
    offer(null);
  }, { signal });
  dialog.addEventListener("keydown", (event) => {
    const key = event.altKey || event.ctrlKey || event.metaKey || event.repeat ? "" : event.key.toLowerCase();
    ({ m: toggleMarks, n: following })[key]?.();
  }, { signal });
  layer.link(true);

  return { pin, open };
}
