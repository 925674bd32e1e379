// The next task, leased and brought here while the labeler still works on this one.
import { NetworkError, postAhead } from "./api.js";

const MIN_LEFT_MS = 120_000; // Of its lease; else it is taken anew when it is needed.

// `beside()` are the ids of the tasks that it must not be.
export function createAhead(slug, { beside }) {
  let ready = null;
  let pending = null;

  async function bring() {
    try {
      const html = await postAhead(slug, beside());
      if (html !== null) {
        const parsed = new DOMParser().parseFromString(html, "text/html");
        ready = document.adoptNode(parsed.querySelector("[data-workplace]")); // Now: later the labeler would wait.
      }
    } catch (error) {
      if (!(error instanceof NetworkError)) {
        throw error;
      }
    } finally {
      pending = null;
    }
  }

  return {
    // Starts to bring it, unless it is here or on its way; the promise ends when that is settled.
    prepare() {
      if (ready === null && pending === null) {
        pending = bring();
      }
      return pending ?? Promise.resolve();
    },
    // The element with the next task, or null; it is handed out once.
    take() {
      const taken = ready;
      ready = null;
      return taken !== null && Date.parse(leaseOf(taken).expiresAt) - Date.now() > MIN_LEFT_MS ? taken : null;
    },
    // {id, token, expiresAt, displayOrder} of the task that waits, or null.
    lease: () => (ready === null ? null : leaseOf(ready)),
    keepLease({ token, expiresAt }) {
      const told = JSON.parse(ready.dataset.workplace);
      ready.dataset.workplace = JSON.stringify({ ...told, leaseToken: token, leaseExpiresAt: expiresAt });
    },
    drop: () => { ready = null; },
  };
}

function leaseOf(workplace) {
  const { id, leaseToken, leaseExpiresAt, displayOrder } = JSON.parse(workplace.dataset.workplace);
  return { id, token: leaseToken, expiresAt: leaseExpiresAt, displayOrder };
}
