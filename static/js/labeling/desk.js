// What surrounds the tasks and outlives them: keys and preferences, the layout, the day with its goal and breaks.
import { createBreaks } from "./breaks.js";
import { createDayView } from "./day-view.js";
import { enableKeyHelp } from "./key-help.js";
import { hintKeys } from "./key-hints.js";
import { createLayout } from "./layout.js";
import { createPreferences } from "./preferences.js";

export function createDesk({ form, page, clock }) {
  const { context, messages } = page;
  const find = (selector) => document.querySelector(selector);
  const preferences = createPreferences(context.preferences, { onChange: refresh });
  const { now } = preferences;
  const layout = createLayout(form);
  const keyHelp = enableKeyHelp(find("#help"), preferences);
  let { today } = context;
  let taskMs = 0;

  const dayView = createDayView(find(".site-nav"), {
    preferences: now,
    async onToggle() {
      const failure = await preferences.change({ shows_timer: !now.shows_timer });
      if (failure) {
        messages.show(failure, { tone: "warn", isPassing: true });
      }
    },
  });
  const breaks = createBreaks(context.labeler, {
    notice: find("[data-break]"),
    dialog: find("#pause"),
    afterMinutes: () => (now.suggests_breaks ? context.settings.break_after_minutes : null),
    clock,
  });

  function refresh() {
    hintKeys(document, now);
    keyHelp.render();
    showDay();
  }

  function showDay() {
    dayView.time(taskMs);
    dayView.today(today);
  }

  refresh();
  return {
    actions: {
      togglePrompt: () => layout.toggle("prompt"),
      toggleBoard: () => layout.toggle("board"),
      goToPrompt() {
        layout.unfold("prompt");
        document.getElementById("prompt").focus();
      },
    },
    // A task is on the screen.
    opened(task) {
      taskMs = task.activeMs();
      find("[data-round]").textContent = task.round;
      layout.apply();
      hintKeys(task.root, now);
      showDay();
    },
    worked(ms, task) {
      taskMs = task.activeMs();
      dayView.time(taskMs);
      breaks.worked({ activeMs: ms });
    },
    // A ranking is on its way; one that only changes an earlier one is no other task.
    submitted(task) {
      const tasks = task.isDone ? 0 : 1;
      today = { tasks: today.tasks + tasks, activeMs: today.activeMs + task.activeMs() };
      dayView.today(today);
      breaks.worked({ tasks, coveredAt: task.wasCovered ? Date.now() : null });
    },
  };
}
