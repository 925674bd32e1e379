// Keeps the work on a task in this browser, so that a reload, a lost lease or a failed submit loses nothing.
import { storage } from "./storage.js";

const PREFIX = "podium.draft.";
const WINDOW = "podium.window";
const KEEP_MS = 14 * 24 * 3600 * 1000;

export function openDraft(labelerId, taskId) {
  const name = draftName(labelerId, taskId);
  return {
    read: () => parsed(storage()?.getItem(name)),
    write(draft) {
      try {
        storage().setItem(name, JSON.stringify({ ...draft, savedAt: Date.now() }));
        return true;
      } catch {
        return false; // Storage is full or blocked.
      }
    },
  };
}

export function dropDraft(labelerId, taskId) {
  storage()?.removeItem(draftName(labelerId, taskId));
}

// Which of two drafts to go on from: "local", "server", "ask" the labeler, or null when there is none. `local.base` is
// the version of the server's that it builds on, `local.isSynced` whether it has all of the local work. What this window
// itself wrote is no other work: its page may have gone before the server's answer came.
export function newerDraft(local, server, writer = null) {
  if (!local || !server) {
    return local ? "local" : server ? "server" : null;
  }
  const isOwn = writer !== null && local.writer === writer && server.body.writer === writer;
  if (server.version === local.base || isOwn) {
    return "local";
  }
  return local.isSynced ? "server" : "ask";
}

// A random id as browsers make it on plain http too, where crypto.randomUUID is missing.
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

let ownName = null;

// The name of this window, the same after a reload.
export function windowName() {
  try {
    window.sessionStorage.setItem(WINDOW, window.sessionStorage.getItem(WINDOW) ?? newKey());
    return window.sessionStorage.getItem(WINDOW);
  } catch {
    ownName ??= newKey(); // Storage is blocked.
    return ownName;
  }
}

function draftName(labelerId, taskId) {
  return `${PREFIX}${labelerId}.${taskId}`;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// What nobody came back to for two weeks.
export function dropOldDrafts() {
  const names = Object.keys(storage() ?? {}).filter((name) => name.startsWith(PREFIX));
  for (const name of names) {
    const draft = parsed(storage().getItem(name));
    if (!draft || Date.now() - draft.savedAt > KEEP_MS) {
      storage().removeItem(name);
    }
  }
}
