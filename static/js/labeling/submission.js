// Work as the ranking call takes it, and a submitted ranking as work that can be changed. No DOM here.
import { denseRanks } from "./board.js";
import { emptyWork } from "./judgments.js";
import { restoredWork } from "./saved-work.js";

// The judgments of the ranking call. `twins` has for a response the ids of those with the same text, which get
// the same values; `seen` has what is known about each: {opened, visibleMs}.
export function submission(work, ids, { twins = new Map(), seen = new Map() } = {}) {
  const ranks = denseRanks(work.board);
  const responses = ids.flatMap((id) => {
    const { rating, flags, notFlagged, note, cannotJudge } = work.items[id];
    const judged = {
      rank: work.cannotRank ? null : ranks.get(id) ?? null,
      rating,
      flags,
      ...(notFlagged.length && { not_flagged: notFlagged }),
      ...(note.trim() && { note: note.trim() }),
      ...(cannotJudge && { cannot_judge: cannotJudge }),
      ...(seen.has(id) && { opened: seen.get(id).opened, visible_ms: seen.get(id).visibleMs }),
    };
    return [{ id, ...judged }, ...(twins.get(id) ?? []).map((twin) => ({ id: twin, ...judged, same_as: id }))];
  });
  return {
    responses,
    ...(work.note.trim() && { note: work.note.trim() }),
    ...(work.flags.length && { flags: work.flags }),
    ...(work.cannotRank && { cannot_rank: work.cannotRank }),
    rank_origin: work.origin,
  };
}

// What was submitted, as work that can be changed.
export function workFrom(submitted, ids) {
  const work = emptyWork(ids);
  const rows = work.board.rows.map((_row, index) => ids.filter((id) => submitted.items[id]?.rank === index + 1));
  const items = Object.fromEntries(ids.map((id) => {
    const { rating, flags, note, cannot_judge: cannotJudge } = submitted.items[id] ?? {};
    return [id, { rating: rating ?? null, flags: flags ?? [], notFlagged: [], note: note ?? "", cannotJudge: cannotJudge ?? null }];
  }));
  return restoredWork({
    board: { rows, last: null }, items, note: submitted.note ?? "", flags: submitted.flags, cannotRank: submitted.cannot_rank,
    origin: submitted.rank_origin,
  }, ids);
}
