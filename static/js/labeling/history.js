// Undo and redo as pure data. A step keeps only the parts of the work that it changed, as they were and as they
// became, so that hundreds of steps fit beside the draft. No DOM here.
import { restoredWork } from "./saved-work.js";

const MAX_STEPS = 300;
const WHOLE_PARTS = ["board", "note", "flags", "cannotRank", "origin"];

export function emptyHistory() {
  return { done: [], undone: [] };
}

// `label` says what was done, as in "Undo: D to rank 2". Typing goes on in one step as long as the label is the same.
export function recorded(history, before, after, { label, isTyping = false }) {
  const last = history.done.at(-1);
  const parts = { from: difference(after, before), to: difference(before, after) };
  if (isTyping && last?.isTyping && last.label === label && history.undone.length === 0) {
    return { done: [...history.done.slice(0, -1), { ...last, to: parts.to }], undone: [] };
  }
  return { done: [...history.done, { label, isTyping, ...parts }].slice(-MAX_STEPS), undone: [] };
}

// {history, work, label} one step back, or null.
export function undo(history, work, ids) {
  const step = history.done.at(-1);
  return step ? {
    history: { done: history.done.slice(0, -1), undone: [...history.undone, step] },
    work: withParts(work, step.from, ids),
    label: step.label,
  } : null;
}

// {history, work, label} one step forth, or null.
export function redo(history, work, ids) {
  const step = history.undone.at(-1);
  return step ? {
    history: { done: [...history.done, step], undone: history.undone.slice(0, -1) },
    work: withParts(work, step.to, ids),
    label: step.label,
  } : null;
}

// A stored history, or an empty one when it is not whole.
export function restoredHistory(saved) {
  const isWhole = [saved?.done, saved?.undone].every((steps) => Array.isArray(steps) && steps.every(isStep));
  return isWhole ? { done: saved.done, undone: saved.undone } : emptyHistory();
}

function isStep(step) {
  return typeof step?.label === "string" && [step.from, step.to].every((parts) => parts && typeof parts === "object");
}

// The parts of `to` that are not those of `from`; of the items only those of the responses that differ.
function difference(from, to) {
  const parts = Object.fromEntries(WHOLE_PARTS.filter((part) => from[part] !== to[part]).map((part) => [part, to[part]]));
  const changed = Object.entries(to.items).filter(([id, item]) => from.items[id] !== item);
  if (changed.length > 0) {
    parts.items = Object.fromEntries(changed);
  }
  return parts;
}

// What was stored may be damaged; what does not fit the task is left out.
function withParts(work, parts, ids) {
  return restoredWork({ ...work, ...parts, items: { ...work.items, ...parts.items } }, ids);
}
