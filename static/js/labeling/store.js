// Holds the work on the task, its history and what is looked at, and keeps all of it in this browser.
// `onChange(change)` renders it: "work" when the work is another, "view" when only the view is.
import { newKey } from "./draft.js";
import { recorded, redo, restoredHistory, undo } from "./history.js";
import { restoredWork } from "./judgments.js";

export function createStore({ ids, letters, draft, activeMs, onChange, onSaved }) {
  const saved = draft.read();
  let key = saved?.key ?? newKey();
  let work = restoredWork(saved?.work, ids);
  let history = restoredHistory(saved?.history);
  let sent = saved?.isSent ? work : null; // What `key` was used for already.
  let view = { active: ids[0], picked: null };
  const opened = new Set(Array.isArray(saved?.opened) ? saved.opened : []);

  function save() {
    onSaved(draft.write({ key, isSent: sent !== null, work, history, opened: [...opened], activeMs: activeMs() }));
  }

  function become(changed) {
    work = changed;
    if (sent) {
      [key, sent] = [newKey(), null]; // A correction is another ranking.
    }
    onChange("work");
    save();
  }

  function step(go) {
    const gone = go(history, work, ids);
    if (gone) {
      history = gone.history;
      become(gone.work);
    }
    return gone?.label ?? null;
  }

  return {
    ids,
    letters,
    isRestored: saved !== null,
    work: () => work,
    view: () => view,
    next: () => ({ undo: history.done.at(-1)?.label, redo: history.undone.at(-1)?.label }),
    // `label` names what was done, for undo; typing is one step as long as its label is the same.
    change(changed, label, options) {
      history = recorded(history, work, changed, { label, ...options });
      become(changed);
    },
    // Each returns the label of what was undone or done again, or null.
    undo: () => step(undo),
    redo: () => step(redo),
    opened: () => [...opened],
    open(id) {
      if (!opened.has(id)) {
        opened.add(id);
        save();
      }
    },
    look(changed) {
      view = { ...view, ...changed };
      onChange("view");
    },
    // The key under which the work is sent now; it stays the same until the work changes.
    send() {
      sent = work;
      save();
      return key;
    },
    isAsSent: () => sent !== null,
  };
}
