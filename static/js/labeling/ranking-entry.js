// A finished ranking as it goes into the outbox: complete in itself, so that it can be sent long after its task is gone.
// The event log hears of it.
import { circumstances } from "./circumstances.js";
import { newKey } from "./draft.js";
import { submission } from "./submission.js";

export function rankingEntry({ told, ids, twins, store, cardView, review, lease, cardMs, activeMs, wallMs, log }) {
  const unopened = cardView.unopened();
  const seen = new Map(ids.map((id) => [id, {
    opened: cardView.isLong(id) ? !unopened.includes(id) : null, visibleMs: cardMs.get(id),
  }]));
  const warnings = review.warnings();
  log("card_visible", { ms: Object.fromEntries(cardMs) });
  warnings.forEach((warning) => log("warning_action", warning));
  log("submit");
  return {
    taskId: told.id,
    key: newKey(),
    displayOrder: told.displayOrder,
    body: {
      ...(lease.token && { lease_token: lease.token }),
      ...submission(store.work(), ids, { twins, seen }),
      active_ms: Math.round(activeMs),
      wall_ms: wallMs,
      warnings,
      pair_answers: store.told().pairAnswers,
      screen: circumstances(store.told()),
      revises: told.revises,
    },
  };
}
