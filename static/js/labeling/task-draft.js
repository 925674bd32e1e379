// Saves the work on a task on the server, and lets the labeler choose where another window has saved other work.
import { createAutosave } from "./autosave.js";
import { newerDraft, openDraft, windowName } from "./draft.js";

// The draft of this browser, and what to go on from: it, or the server's when that is newer. `isAsking` where the labeler
// has to say which.
export function readDrafts(told, labelerId) {
  const draft = openDraft(labelerId, told.id);
  const local = draft.read();
  const chosen = newerDraft(local, told.draft, windowName());
  const saved = chosen === "server" ? { ...told.draft.body, base: told.draft.version, isSynced: true } : local;
  return { draft, saved, isAsking: chosen === "ask" };
}

// `isAsking` says that the drafts of this browser and of the server differ already when the task is opened.
export function keepDraft({ told, page, store, letters, isAsking, signal }) {
  const autosave = createAutosave({
    taskId: told.id,
    version: told.draft?.version ?? 0,
    read: store.body,
    signal,
    onState(name, { at, version }) {
      if (version !== undefined) {
        store.isSavedAs(version, { isSynced: name === "saved" });
      }
      page.saveState(name, at);
    },
    onClash: choose,
  });

  function choose(other) {
    if (other.body.writer === windowName()) {
      autosave.goOnFrom(other.version); // Saved by this window, before its page was loaded again.
      return;
    }
    page.askWhichDraft({ other, letters, mine: store.body() }, (isOther) => {
      if (isOther) {
        store.takeOver(other.body);
      }
      autosave.goOnFrom(other.version);
    });
  }

  if (isAsking) {
    choose(told.draft);
  }
  return autosave;
}
