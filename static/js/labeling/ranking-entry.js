// A finished ranking as it goes into the outbox: complete in itself, so that it can be sent long after its task is gone.
import { circumstances } from "./circumstances.js";
import { newKey } from "./draft.js";
import { submission } from "./submission.js";

export function rankingEntry({ told, ids, twins, store, cardView, review, lease, cardMs, activeMs, wallMs }) {
  const unopened = cardView.unopened();
  const seen = new Map(ids.map((id) => [id, {
    opened: cardView.isLong(id) ? !unopened.includes(id) : null, visibleMs: cardMs.get(id),
  }]));
  return {
    taskId: told.id,
    key: newKey(),
    displayOrder: told.displayOrder,
    body: {
      ...(lease.token && { lease_token: lease.token }),
      ...submission(store.work(), ids, { twins, seen }),
      active_ms: Math.round(activeMs),
      wall_ms: wallMs,
      warnings: review.warnings(),
      pair_answers: store.told().pairAnswers,
      screen: circumstances(store.told()),
      revises: told.revises,
    },
  };
}
