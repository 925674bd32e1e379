// Suggests a break, in one quiet line, and holds the clock during one. What was worked is counted across tasks and reloads.
import { storage } from "./storage.js";
import { asked, breakDue, clockText, dayFrom, rested, worked } from "./working-day.js";
import { t } from "../words.js";

const PAUSE_MS = 5 * 60_000;

// `afterMinutes()` is null while breaks are off; `clock` is held during a pause.
export function createBreaks(labeler, { notice, dialog, afterMinutes, clock }) {
  const setting = `podium.day.${labeler}`;
  const today = () => new Date().toDateString();
  let kept = null; // What was counted here, for a browser that keeps nothing.

  function read() {
    try {
      return dayFrom(JSON.parse(storage()?.getItem(setting) ?? null) ?? kept, today());
    } catch {
      return dayFrom(kept, today());
    }
  }

  function keep(record) {
    kept = record;
    try {
      storage()?.setItem(setting, JSON.stringify(record));
    } catch {
      // The storage is full; this page still counts.
    }
  }

  function look() {
    const text = breakDue(read(), { afterMinutes: afterMinutes(), now: Date.now() });
    if (text !== null) {
      keep(asked(read(), Date.now()));
      notice.hidden = false;
      notice.querySelector("[data-break-text]").textContent = text;
    }
  }

  function pause() {
    notice.hidden = true;
    keep(rested(read(), Date.now()));
    clock.hold(true);
    const end = Date.now() + PAUSE_MS;
    const left = dialog.querySelector("[data-break-left]");
    const show = () => {
      const ms = end - Date.now();
      left.textContent = ms > 0 ? clockText(Math.ceil(ms / 1000) * 1000) : t("The pause is over.");
    };
    const timer = setInterval(show, 1000);
    show();
    dialog.showModal();
    dialog.addEventListener("close", () => {
      clearInterval(timer);
      clock.hold(false);
    }, { once: true });
  }

  notice.querySelector("[data-break-start]").addEventListener("click", pause);
  notice.querySelector("[data-break-later]").addEventListener("click", () => { notice.hidden = true; });

  return {
    worked(what) {
      keep(worked(read(), what));
      look();
    },
  };
}
