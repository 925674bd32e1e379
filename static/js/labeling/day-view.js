// The header's part of the day: the active time of the task, the labeler's goal, and how much is done today.
import { clockText, goalReached } from "./working-day.js";
import { t } from "../words.js";

// `preferences` as they are now; `onToggle()` asks for the time to be shown or hidden.
export function createDayView(header, { preferences, onToggle }) {
  const timer = header.querySelector("[data-timer]");
  const goal = header.querySelector("[data-goal]");
  const done = header.querySelector("[data-done-today]");
  timer.addEventListener("click", onToggle);

  return {
    time(ms) {
      const text = clockText(ms);
      timer.textContent = preferences.shows_timer ? text : t("Time");
      timer.setAttribute("aria-label", preferences.shows_timer ? t("{time} of active time. Hide it", { time: text }) : t("Time: show it"));
      timer.hidden = false;
    },
    today(today) {
      done.textContent = t("{count} done today", { count: today.tasks });
      done.hidden = preferences.goal?.unit === "tasks"; // The goal says it already.
      goal.hidden = preferences.goal === null;
      if (preferences.goal !== null) {
        const { share, text, label } = goalReached(preferences.goal, today);
        goal.style.setProperty("--share", share);
        goal.classList.toggle("is-reached", share === 1);
        goal.querySelector("[data-goal-text]").textContent = text;
        goal.setAttribute("aria-label", label);
      }
    },
  };
}
