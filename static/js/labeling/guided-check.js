// The neighbor check after guided ranking, as pure data: goes down the rows once and compares each with the next. The
// functions are those of guided.js, so that one layer on the screen can ask for both. No DOM here.

export function start(rows, { allowsTies = true } = {}) {
  return { rows: rows.filter((row) => row.length > 0), at: 0, allowsTies, asked: 0, before: null };
}

// The last of a row and the first of the next one; which of them is on the left changes from question to question.
export function question({ rows, at, asked }) {
  if (at + 1 >= rows.length) {
    return null;
  }
  const [upper, lower] = [rows[at].at(-1), rows[at + 1][0]];
  return asked % 2 === 0 ? { left: upper, right: lower } : { left: lower, right: upper };
}

// The other order swaps these two and nothing else; a tie brings the lower one up; "undecided" leaves all as it is.
export function answer(state, given) {
  const { rows, at } = state;
  const [upper, lower] = [rows[at].at(-1), rows[at + 1][0]];
  const next = { ...state, at: at + 1, asked: state.asked + 1, before: state };
  if (given === "tie" && state.allowsTies) {
    const [, ...left] = rows[at + 1];
    const merged = rows.with(at, [...rows[at], lower]);
    return left.length > 0 ? { ...next, rows: merged.with(at + 1, left) } : { ...next, rows: merged.toSpliced(at + 1, 1), at };
  }
  if (question(state)[given] !== lower) {
    return next;
  }
  return { ...next, rows: rows.with(at, [...rows[at].slice(0, -1), lower]).with(at + 1, [upper, ...rows[at + 1].slice(1)]) };
}

export function undo(state) {
  return state.before ?? state;
}

export function remaining({ rows, at }) {
  return Math.max(rows.length - 1 - at, 0);
}
