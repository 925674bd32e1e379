// The working day of a labeler as pure data: when a break is due, how far the goal is, and times in words. No DOM here.
import { language, t } from "../words.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const MAX_TASKS = 25; // After so many a break is due, however quick they were.
const QUIET_MS = 25 * MINUTE_MS; // So long nothing is suggested again.

// What is counted since the last break: active time and tasks; `askedAt` is when a break was last suggested.
export function freshDay(day) {
  return { day, activeMs: 0, tasks: 0, askedAt: null };
}

// A stored record if it is of this day, else a fresh one.
export function dayFrom(stored, day) {
  const isValid = stored?.day === day && [stored.activeMs, stored.tasks].every(Number.isFinite);
  return isValid ? { ...freshDay(day), ...stored } : freshDay(day);
}

export function worked(record, { activeMs = 0, tasks = 0 }) {
  return { ...record, activeMs: record.activeMs + activeMs, tasks: record.tasks + tasks };
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
