// The working day of a labeler as pure data: when a break is due, how far the goal is, and times in words. No DOM here.
import { language, t } from "../words.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const MAX_TASKS = 25; // After so many a break is due, however quick they were.
const MAX_COVERED = 3; // Or after so many tasks that were covered, in so short a time.
const COVERED_MS = 30 * MINUTE_MS;
const QUIET_MS = 25 * MINUTE_MS; // So long nothing is suggested again.

// What is counted since the last break: active time, tasks, and when covered ones were done; `askedAt` is when a break
// was last suggested.
export function freshDay(day) {
  return { day, activeMs: 0, tasks: 0, coveredAt: [], askedAt: null };
}

// A stored record if it is of this day, else a fresh one.
export function dayFrom(stored, day) {
  const record = stored?.day === day ? { ...freshDay(day), ...stored } : freshDay(day);
  const isValid = Array.isArray(record.coveredAt) && [record.activeMs, record.tasks, ...record.coveredAt].every(Number.isFinite);
  return isValid ? record : freshDay(day);
}

// `coveredAt` is when a task was done whose text had been covered.
export function worked(record, { activeMs = 0, tasks = 0, coveredAt = null }) {
  return {
    ...record,
    activeMs: record.activeMs + activeMs,
    tasks: record.tasks + tasks,
    coveredAt: [...record.coveredAt, ...(coveredAt === null ? [] : [coveredAt])].slice(-MAX_COVERED),
  };
}

export function asked(record, now) {
  return { ...record, askedAt: now };
}

export function rested(record, now) {
  return { ...freshDay(record.day), askedAt: now };
}

// What to say when a break is due, else null. `afterMinutes` is null where breaks are off.
export function breakDue(record, { afterMinutes, now }) {
  if (afterMinutes === null || (record.askedAt !== null && now - record.askedAt < QUIET_MS)) {
    return null;
  }
  if (record.activeMs >= afterMinutes * MINUTE_MS) {
    return t("You have worked {count} minutes. Pause?", { count: Math.floor(record.activeMs / MINUTE_MS) });
  }
  if (record.coveredAt.filter((at) => now - at < COVERED_MS).length >= MAX_COVERED) {
    return t("You have read {count} covered tasks. Pause?", { count: MAX_COVERED });
  }
  return record.tasks >= MAX_TASKS ? t("You have done {count} tasks. Pause?", { count: record.tasks }) : null;
}

// How far a goal {unit, amount} is: the share for a ring, the text beside it, and the whole of it in words.
export function goalReached({ unit, amount }, { tasks, activeMs }) {
  if (unit === "tasks") {
    return { share: Math.min(tasks / amount, 1), text: `${tasks} / ${amount}`, label: t("{tasks} of {amount} tasks today", { tasks, amount }) };
  }
  const hours = Math.floor((activeMs / HOUR_MS) * 10) / 10; // Never more than it is.
  return {
    share: Math.min(activeMs / (amount * HOUR_MS), 1),
    text: `${hours.toLocaleString(language)} / ${amount} h`,
    label: t("{hours} of {amount} hours of active time today", { hours: hours.toLocaleString(language), amount }),
  };
}

// "04:31", "1:04:31".
export function clockText(ms) {
  const seconds = Math.floor(ms / 1000);
  const pad = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return `${hours ? `${hours}:${pad(minutes)}` : pad(minutes)}:${pad(seconds % 60)}`;
}
