// Tells the event log where a response was put, and with which others it shares a row from then on.
import { rowOf } from "./board.js";

export function logPlacing(log, { id, from, to, method }) {
  const row = rowOf(to, id);
  log("place", { response: id, old_row: rowOf(from, id), new_row: row, method });
  const others = (to.rows[row] ?? []).filter((other) => other !== id);
  if (others.length > 0) {
    log("tie", { response: id, with: others, row });
  }
}
