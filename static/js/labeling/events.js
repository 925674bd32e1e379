// Tells the server in batches what is done on the screen. Nothing waits for it, and what cannot be sent is dropped.
import { NetworkError, postEvents } from "./api.js";
import { newKey } from "./draft.js";

const EVERY_MS = 15_000;
const MAX_WAITING = 200;
const NEXT_TASK_MS = 50; // The frame with the next task comes first.

export function createEventLog(taskId, { signal }) {
  const visit = newKey();
  let sequence = 0;
  let waiting = [];

  async function send() {
    if (waiting.length === 0) {
      return;
    }
    const events = waiting;
    waiting = [];
    try {
      await postEvents(taskId, visit, events);
    } catch (error) {
      if (!(error instanceof NetworkError)) {
        throw error;
      }
      waiting = [...events, ...waiting].slice(-MAX_WAITING);
    }
  }

  const timer = setInterval(send, EVERY_MS);
  const ending = new AbortController();
  window.addEventListener("pagehide", send, { signal: ending.signal });
  signal.addEventListener("abort", () => {
    clearInterval(timer);
    setTimeout(() => {
      ending.abort();
      send();
    }, NEXT_TASK_MS);
  });

  return (kind, data = {}) => {
    waiting.push({ sequence, kind, data, client_at: new Date().toISOString() });
    sequence += 1;
    if (waiting.length >= MAX_WAITING) {
      send();
    }
  };
}
