// Guided ranking by binary insertion, as pure data: the responses come in one after the other, and each is compared with
// the middle of the rows that it can still go to. A state is {waiting, rows, low, high, asked, before}: the first of
// `waiting` goes somewhere between the rows `low` and `high`. Every function returns a new one. No DOM here.

// Worked through once with a random order; `rows` are what is ranked already, the best first.
export function start(order, { rows = [], allowsTies = true } = {}) {
  const sorted = rows.filter((row) => row.length > 0);
  const [first, ...others] = order;
  const state = { waiting: order, rows: sorted, allowsTies, asked: 0, before: null };
  return sorted.length === 0 && order.length > 0 ? opened({ ...state, waiting: others, rows: [[first]] }) : opened(state);
}

// {left, right} are to be compared, or null when all are ranked. The response that comes in keeps its side until it has
// its place; the next one is on the other side, so that neither side is favoured.
export function question(state) {
  const [next] = state.waiting;
  if (next === undefined) {
    return null;
  }
  const [other] = state.rows[middle(state)];
  return state.waiting.length % 2 === 0 ? { left: next, right: other } : { left: other, right: next };
}

// `given` is "left" or "right", the better one, "tie" or "undecided". A tie ends the insertion in the row of the other. So
// does "undecided": nobody could say that they are apart. Where ties are not allowed, both put it into a row below.
export function answer(state, given) {
  const [next, ...others] = state.waiting;
  const at = middle(state);
  const before = { ...state, asked: state.asked + 1, before: state };
  if (given !== "left" && given !== "right") {
    const rows = state.allowsTies
      ? state.rows.map((row, index) => (index === at ? [...row, next] : row))
      : state.rows.toSpliced(at + 1, 0, [next]);
    return opened({ ...before, rows, waiting: others });
  }
  const isBetter = question(state)[given] === next;
  const [low, high] = isBetter ? [state.low, at] : [at + 1, state.high];
  return low < high
    ? { ...before, low, high }
    : opened({ ...before, rows: state.rows.toSpliced(low, 0, [next]), waiting: others });
}

// The state before the last answer; the first one stays.
export function undo(state) {
  return state.before ?? state;
}

// How many more questions there are at most, the open one included.
export function remaining(state) {
  const { length } = state.waiting;
  const later = Array.from({ length: Math.max(length - 1, 0) }, (_, index) => questionsFor(state.rows.length + 1 + index));
  return length === 0 ? 0 : later.reduce((sum, each) => sum + each, questionsFor(state.high - state.low));
}

// Whether a state that was left goes on where the board is now: with these rows, and these responses to come.
export function goesOn(state, { rows, unranked }) {
  const now = rows.filter((row) => row.length > 0);
  return state.waiting.length === unranked.length && state.waiting.every((id) => unranked.includes(id))
    && JSON.stringify(state.rows) === JSON.stringify(now);
}

// Fisher and Yates; `random()` is at least 0 and below 1.
export function shuffled(ids, random = Math.random) {
  const order = [...ids];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

function opened(state) {
  return { ...state, low: 0, high: state.rows.length };
}

function middle({ low, high }) {
  return Math.floor((low + high) / 2);
}

// One of `rows` rows, or one of the places around them, is found with so many halvings.
function questionsFor(rows) {
  return Math.ceil(Math.log2(rows + 1));
}
