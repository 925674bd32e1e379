// Holds the work on the task, its history and what is looked at, and keeps all of it in this browser.
// `onChange(change)` renders it: "work" when the work is another, "view" when only the view is.
import { windowName } from "./draft.js";
import { recorded, redo, restoredHistory, undo } from "./history.js";
import { restoredWork } from "./saved-work.js";
import { t } from "../words.js";

const NO_METHODS = { key: 0, click: 0, drag: 0 };

// `saved` is the draft to go on from, or null; `initial` the work where there is none; `measures()` are kept with it.
export function createStore({ ids, letters, saved, initial, draft, measures, onChange, onSaved }) {
  let work = saved ? restoredWork(saved.work, ids) : initial;
  let history = restoredHistory(saved?.history);
  let view = { active: ids[0], picked: null };
  let sync = { base: saved?.base ?? 0, isSynced: saved?.isSynced ?? false };
  let told = { methods: NO_METHODS, pairAnswers: [], ...saved?.told };
  const opened = new Set(Array.isArray(saved?.opened) ? saved.opened : []);

  // What the server keeps; the history stays in this browser.
  function body() {
    return { work, opened: [...opened], told, writer: windowName(), ...measures() };
  }

  function keep() {
    onSaved(draft.write({ ...body(), history, ...sync }));
  }

  function changed() {
    sync = { ...sync, isSynced: false };
    keep();
  }

  function become(next) {
    work = next;
    onChange("work");
    changed();
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
    body,
    work: () => work,
    view: () => view,
    told: () => told,
    next: () => ({ undo: history.done.at(-1)?.label, redo: history.undone.at(-1)?.label }),
    // `label` names what was done, for undo; typing is one step as long as its label is the same.
    change(next, label, options) {
      history = recorded(history, work, next, { label, ...options });
      become(next);
    },
    // Each returns the label of what was undone or done again, or null.
    undo: () => step(undo),
    redo: () => step(redo),
    opened: () => [...opened],
    open(id) {
      if (!opened.has(id)) {
        opened.add(id);
        changed();
      }
    },
    look(change) {
      view = { ...view, ...change };
      onChange("view");
    },
    // What is only counted, and not undone: {methods} or {pairAnswers}.
    tell(change) {
      told = { ...told, ...change };
      changed();
    },
    // The same without keeping it at once: the next change takes it along.
    count(change) {
      told = { ...told, ...change };
    },
    countMethod(name) {
      told = { ...told, methods: { ...told.methods, [name]: (told.methods[name] ?? 0) + 1 } };
    },
    // The server has this version; `isSynced` where it is all of the work, and nothing was changed since.
    isSavedAs(version, { isSynced }) {
      sync = { base: version, isSynced };
      keep();
    },
    // Takes over what another window has saved.
    takeOver(other) {
      history = recorded(history, work, restoredWork(other.work, ids), { label: t("work from another window") });
      told = { methods: NO_METHODS, pairAnswers: [], ...other.told };
      become(restoredWork(other.work, ids));
    },
  };
}
