// How the board is used: for how long, how often something is moved after it was filled, and whether a response goes
// back and forth.

const MAX_MS = 24 * 3600 * 1000;
const MANY_TURNS = 3;

export function watchBoardUse(board, store) {
  const turns = new Map();
  return {
    moved(id, oldRow, newRow) {
      const { movesAfterFill = 0 } = store.told();
      if (store.work().origin !== "manual") {
        store.count({ movesAfterFill: movesAfterFill + 1 });
      }
      if (oldRow !== -1 && newRow !== -1) {
        turns.set(id, turned(turns.get(id), Math.sign(newRow - oldRow)));
      }
    },
    isTurning: () => [...turns.values()].some(({ count }) => count >= MANY_TURNS),
    // `activeMs` have gone by; they count where the pointer or the focus is.
    count(activeMs) {
      const { boardMs = 0 } = store.told();
      if (board.matches(":hover, :focus-within")) {
        store.count({ boardMs: Math.min(boardMs + activeMs, MAX_MS) });
      }
    },
  };
}

function turned({ direction, count } = { direction: 0, count: 0 }, next) {
  return { direction: next, count: next === direction ? count : count + 1 };
}
