// What helps with ranking, as far as the project wants it: questions, a neighbor check, filling from the ratings. Shows too
// what has to be done first.
import { watchBoardUse } from "./board-use.js";
import { createCompare } from "./compare.js";
import { createFilling } from "./filling.js";
import { beforeRanking, beforeRating, whyNotRated } from "./flow.js";
import { createGuidedRanking } from "./guided-ranking.js";
import { t } from "../words.js";

const OFFERED_FROM = 6;

export function createRankAids({ taskId, assist, root, board, cards, rules, page, store, cardView, log, signal }) {
  const { ids } = store;
  const { messages, context: { settings } } = page;
  const find = (name) => board.querySelector(`[data-${name}]`);
  const use = watchBoardUse(board, store);
  const filling = createFilling(board, { assist, store, messages, onSeen: render });
  const needsCheck = settings.neighbour_check === "required";

  const compare = createCompare({ taskId, root, board, cards, rules, store, cardView, log, messages, signal });
  const guided = createGuidedRanking({
    root, board, cards, rules, store, cardView, log, messages, signal,
    goesOnToCheck: needsCheck,
    onSorted() {
      showBoard();
      if (isCheckOffered()) {
        offerCheck(t("All ranked. Look at the board, and compare neighbors once more if you like."));
      }
    },
    onChecked() {
      showBoard();
      messages.announce(t("All neighbors compared"));
    },
  });

  function isOffered() {
    const { guided_mode: mode } = settings;
    return mode === "always" || (mode === "offered" && (ids.length >= OFFERED_FROM || use.isTurning()));
  }

  function isCheckOffered() {
    return settings.neighbour_check !== "off" && store.work().origin === "guided" && guided.isAllRanked();
  }

  function offerCheck(text) {
    messages.ask(text, { points: [], button: { text: t("Compare neighbors"), onClick: guided.check } });
  }

  function showBoard() {
    root.parentElement.classList.remove("is-focus-mode"); // It hides the board.
    const isSheetClosed = page.sheetToggle.offsetParent !== null && !board.classList.contains("is-open");
    if (isSheetClosed) {
      page.sheetToggle.click();
    }
    board.querySelector(".chip")?.focus();
  }

  function ask() {
    const first = root.classList.contains("is-veiled")
      ? t("Show the text first, then rank.") : beforeRanking(rules.flow, store.work(), ids);
    if (first !== null) {
      messages.show(first, { tone: "warn", isPassing: true });
    } else if (isCheckOffered()) {
      guided.check();
    } else if (isOffered() && !guided.isAllRanked()) {
      guided.sort();
    } else {
      messages.announce(isOffered() ? t("All are ranked") : t("Ranking by questions is not offered here"));
    }
  }

  function render() {
    const work = store.work();
    const [rateFirst, rankFirst] = [beforeRanking(rules.flow, work, ids), beforeRating(rules.flow, work, ids)];
    root.dataset.first = rateFirst ? "rate" : rankFirst ? "rank" : "";
    find("first-hint").textContent = rateFirst ?? rankFirst ?? "";
    cards.forEach((card, id) => { card.querySelector(".rating").disabled = whyNotRated(rules, work, ids, id) !== null; });
    find("guided").hidden = !isOffered() || guided.isAllRanked();
    find("check").hidden = !isCheckOffered();
    filling.render();
  }

  return {
    actions: {
      guided: ask,
      fill: filling.tryFill,
      pin: compare.pin,
      compare: () => compare.open(),
      differences: () => compare.open({ isMarking: true }),
    },
    compare,
    moved: use.moved,
    count: use.count,
    render,
    // Whether something has to be done before the ranking is sent; then it is said what.
    objects() {
      if (filling.isUnseen()) {
        messages.show(t("The ranks were filled from your ratings. Go to the rank board and check them first."), { tone: "warn" });
        return true;
      }
      if (needsCheck && isCheckOffered() && store.told().areNeighborsChecked === false) {
        offerCheck(t("Compare the neighbors on the board first, then submit."));
        return true;
      }
      return false;
    },
  };
}
