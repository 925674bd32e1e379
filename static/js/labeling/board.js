// The rank board as pure data: `rows` is one array of response ids per row, the best first; several ids
// in a row are a tie, empty rows are allowed. Every function returns a new board. No DOM here.

export function emptyBoard(count) {
  return { rows: Array.from({ length: count }, () => []), last: null };
}

export function isEmpty(board) {
  return board.rows.every((row) => row.length === 0);
}

export function rowOf(board, id) {
  return board.rows.findIndex((row) => row.includes(id));
}

export function isRanked(board, id) {
  return rowOf(board, id) !== -1;
}

export function place(board, id, row) {
  if (row < 0 || row >= board.rows.length) {
    return board;
  }
  const rows = without(board.rows, id);
  rows[row] = [...rows[row], id];
  return { rows, last: id };
}

export function unrank(board, id) {
  return { rows: without(board.rows, id), last: board.last === id ? null : board.last };
}

// Puts `id` alone between the rows `gap - 1` and `gap`. The number of rows stays the same: the nearest
// empty row after the gap gives way, else the nearest one before it. One is always empty by then.
export function placeBetween(board, id, gap) {
  const rows = without(board.rows, id);
  rows.splice(gap, 0, [id]);
  const after = rows.findIndex((row, index) => index > gap && row.length === 0);
  const spare = after === -1 ? rows.findLastIndex((row, index) => index < gap && row.length === 0) : after;
  rows.splice(spare, 1);
  return { rows, last: id };
}

// Joins the row of the response that was placed last.
export function tieWithLast(board, id) {
  const row = board.last === null || board.last === id ? -1 : rowOf(board, board.last);
  return place(board, id, row);
}

// Moves a ranked response by `step` rows; at the ends it stays.
export function shift(board, id, step) {
  const row = rowOf(board, id);
  return row === -1 ? board : place(board, id, row + step);
}

// Takes a ranked response out of its row into a new one directly above (-1) or below (+1) it.
export function shiftToNewRow(board, id, step) {
  const row = rowOf(board, id);
  if (row === -1 || board.rows[row].length === 1) {
    return shift(board, id, step);
  }
  return placeBetween(board, id, step < 0 ? row : row + 1);
}

// id -> rank, 1 is the best, ties share one, empty rows do not count: 1,1,3 becomes 1,1,2.
export function denseRanks(board) {
  const filled = board.rows.filter((row) => row.length > 0);
  return new Map(filled.flatMap((row, index) => row.map((id) => [id, index + 1])));
}

// A stored board if it fits these responses, else an empty one.
export function restoredBoard(saved, ids) {
  const rows = Array.isArray(saved?.rows) ? saved.rows : [];
  const placed = rows.flat();
  const fits = rows.length === ids.length && rows.every(Array.isArray)
    && placed.every((id) => ids.includes(id)) && new Set(placed).size === placed.length;
  return fits ? { rows, last: ids.includes(saved.last) ? saved.last : null } : emptyBoard(ids.length);
}

function without(rows, id) {
  return rows.map((row) => row.filter((other) => other !== id));
}
