// Renews the lease of the task while its window is visible.
import { NetworkError, postHeartbeat } from "./api.js";

const INTERVAL_MS = 60_000;

export function keepLease(taskId, leaseToken, onProblem) {
  const beat = async () => {
    if (document.hidden) {
      return;
    }
    try {
      const { status, body } = await postHeartbeat(taskId, leaseToken);
      if (status >= 400 && status < 500 && status !== 429) {
        stop();
        onProblem(status, body);
      }
    } catch (error) {
      if (!(error instanceof NetworkError)) {
        throw error; // Without a network the next beat tries again; the lease outlasts many.
      }
    }
  };
  const timer = setInterval(beat, INTERVAL_MS);
  document.addEventListener("visibilitychange", beat);
  const stop = () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", beat);
  };
  return stop;
}
