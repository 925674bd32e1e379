// Rankings on their way to the server. They stay in this browser until they are stored, and are sent again until the
// server has answered; nobody waits for them. An entry is {taskId, number, key, body, displayOrder}.
import { NetworkError, postLostLease, putRanking } from "./api.js";
import { storage } from "./storage.js";

const NEXT_TASK_MS = 50; // The frame with the next task comes first.
const PAUSES_MS = [1000, 2000, 4000, 8000, 16_000, 30_000];

// `onStored(entry, answer)`, `onRefused(entry, status, problem)` and `onWaiting(entries)` say what became of them.
export function createOutbox(labelerId, { onStored, onRefused, onWaiting }) {
  const name = `podium.outbox.${labelerId}`;
  let unsaved = []; // Where storage is full or blocked.
  let isSending = false;
  let failures = 0;
  let timer = null;

  const entries = () => [...read(name), ...unsaved];

  function add(entry) {
    if (!write(name, [...read(name).filter(({ key }) => key !== entry.key), entry])) {
      unsaved = [...unsaved, entry];
    }
    setTimeout(send, NEXT_TASK_MS);
  }

  function remove(entry) {
    write(name, read(name).filter(({ key }) => key !== entry.key));
    unsaved = unsaved.filter(({ key }) => key !== entry.key);
  }

  async function send() {
    if (isSending) {
      return;
    }
    isSending = true;
    clearTimeout(timer);
    try {
      while (entries().length > 0 && await sendOne(entries()[0])) {
        failures = 0;
      }
    } finally {
      isSending = false;
    }
  }

  // Whether the server said what becomes of it, so that the next one may follow.
  async function sendOne(entry) {
    let answer;
    try {
      answer = await putWithLease(entry);
    } catch (error) {
      if (!(error instanceof NetworkError)) {
        throw error;
      }
      tryLater();
      return false;
    }
    const { status, body } = answer;
    if (status === 401) {
      onRefused(entry, status, body); // It stays: signing in again sends it.
      return false;
    }
    if (status === 429 || status >= 500) {
      tryLater();
      return false;
    }
    remove(entry);
    if (status < 300) {
      onStored(entry, body);
    } else {
      onRefused(entry, status, body);
    }
    return true;
  }

  function tryLater() {
    onWaiting(entries());
    timer = setTimeout(send, PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)]);
    failures += 1;
  }

  window.addEventListener("online", send);
  window.addEventListener("focus", send);
  return { add, send, entries, isWaiting: () => failures > 0 };
}

// A hold that has ended is taken again if nobody else has the task; then the same ranking is sent once more.
async function putWithLease({ taskId, key, body, displayOrder }) {
  const answer = await putRanking(taskId, key, body);
  if (answer.body.code !== "lease_lost" && answer.status !== 404) {
    return answer;
  }
  const lease = await postLostLease(taskId, displayOrder);
  return lease.status < 300 ? putRanking(taskId, key, { ...body, lease_token: lease.body.lease_token }) : answer;
}

function read(name) {
  try {
    const saved = JSON.parse(storage()?.getItem(name));
    return Array.isArray(saved) ? saved.filter((entry) => entry?.taskId && entry.key && entry.body) : [];
  } catch {
    return [];
  }
}

function write(name, entries) {
  try {
    storage().setItem(name, JSON.stringify(entries));
    return true;
  } catch {
    return false;
  }
}
