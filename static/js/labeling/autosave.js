// Keeps unsubmitted work on the server as well, a moment after each change. The server's version is the arbiter
// between windows: who saves on an older one learns of the other's work and chooses.
import { getDraft, NetworkError, putDraft } from "./api.js";

const DELAY_MS = 800;
const RETRY_MS = 10_000;

// `read()` is the work to keep; `onState(name, {at, version})` says "saving", "saved", "offline", or "kept" when the work
// that was saved has changed since; `onClash(draft)` gets what another window has saved.
export function createAutosave({ taskId, version, read, onState, onClash, signal }) {
  let base = version;
  let isChanged = false;
  let isSaving = false;
  let isStopped = false;
  let timer = null;

  async function save() {
    clearTimeout(timer);
    if (!isChanged || isSaving || isStopped) {
      return;
    }
    isSaving = true;
    isChanged = false;
    onState("saving", {});
    try {
      const answer = await putDraft(taskId, base, read());
      if (!signal.aborted) { // Else the task is left, and another one is on the screen.
        await settle(answer);
      }
    } catch (error) {
      if (!(error instanceof NetworkError)) {
        throw error;
      }
      isChanged = true;
      if (!signal.aborted) {
        onState("offline", {});
        timer = setTimeout(save, RETRY_MS);
      }
    } finally {
      isSaving = false;
    }
    if (isChanged && timer === null) {
      schedule();
    }
  }

  async function settle({ status, body }) {
    timer = null;
    if (status < 300) {
      base = body.version;
      onState(isChanged ? "kept" : "saved", { at: isChanged ? null : new Date(body.saved_at), version: base });
    } else if (body.code === "draft_conflict") {
      const other = await getDraft(taskId);
      if (other.status !== 200) {
        throw new NetworkError("What another window has saved cannot be read.");
      }
      if (!signal.aborted) {
        isStopped = true;
        onClash({ version: other.body.version, body: other.body.body, savedAt: other.body.saved_at });
      }
    } else if (status === 429 || status >= 500) {
      throw new NetworkError("The server is busy.");
    } else {
      isStopped = status === 404;
      onState("offline", {});
    }
  }

  function schedule() {
    clearTimeout(timer);
    timer = setTimeout(save, DELAY_MS);
  }

  window.addEventListener("online", save, { signal });
  document.addEventListener("visibilitychange", save, { signal });
  signal.addEventListener("abort", () => {
    isStopped = true;
    clearTimeout(timer);
  });

  return {
    changed() {
      isChanged = true;
      schedule();
    },
    now: save,
    // Goes on from another window's version, after the labeler has chosen.
    goOnFrom(version) {
      base = version;
      isStopped = false;
      isChanged = true;
      schedule();
    },
  };
}
