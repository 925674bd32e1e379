// Keeps the labeler's hold on tasks while somebody works in the window, and says when it is about to end.
import { NetworkError, postHeartbeat, postLostLease } from "./api.js";

const INTERVAL_MS = 60_000;
const WARN_MS = 120_000;

// `held()` are the tasks to keep: {id, token, expiresAt, displayOrder}, the one at work first; `isActive()` says whether
// somebody works here. Reported are `onKept(id, {token, expiresAt})`, `onLost(id, status, problem)`, and
// `onEnding(keep)` when the first is close to its end.
export function keepLeases({ held, isActive, onKept, onLost, onEnding }) {
  async function keep(task) {
    try {
      const { status, body } = await postHeartbeat(task.id, task.token);
      if (status < 300) {
        onKept(task.id, { token: task.token, expiresAt: body.lease_expires_at });
      } else if (body.code === "lease_lost" || status === 404) {
        await regain(task, status, body);
      } else if (status < 500 && status !== 429) {
        onLost(task.id, status, body);
      }
    } catch (error) {
      if (!(error instanceof NetworkError)) {
        throw error; // Without a network the next beat tries again; the lease outlasts many.
      }
    }
  }

  async function regain(task, status, problem) {
    const lease = await postLostLease(task.id, task.displayOrder);
    if (lease.status < 300) {
      onKept(task.id, { token: lease.body.lease_token, expiresAt: lease.body.lease_expires_at });
    } else {
      onLost(task.id, status, problem);
    }
  }

  function beat() {
    const tasks = held();
    if (!document.hidden && isActive()) {
      tasks.forEach(keep);
    } else if (tasks.length > 0 && Date.parse(tasks[0].expiresAt) - Date.now() < WARN_MS) {
      onEnding(() => keep(tasks[0]));
    }
  }

  setInterval(beat, INTERVAL_MS);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      held().forEach(keep); // Who comes back learns at once whether the task is still theirs.
    }
  });
}
