// Sends rankings in the background and says what became of them; one that comes back is never overlooked.
import { dropDraft } from "./draft.js";
import { explain } from "./messages.js";
import { createOutbox } from "./outbox.js";

// `task()` is the open task; `leave(where)` goes on when it is stored, `letGo()` gives it back when it is refused.
export function createSending({ page, next, base, task, leave, letGo }) {
  const { context, messages } = page;
  return createOutbox(context.labeler, {
    onStored({ taskId, isPausing }) {
      dropDraft(context.labeler, taskId);
      messages.clearFor(taskId);
      if (taskId === task().id) {
        leave(isPausing ? base : next);
      }
    },
    onRefused({ taskId, number }, status, problem) {
      const here = taskId === task().id;
      if (here) {
        letGo();
      }
      const { text, link } = explain(status, problem, { next, task: `${next}/${taskId}`, number, here });
      messages.show(text, { link, about: taskId });
    },
    onWaiting(entries) {
      const what = entries.length === 1 ? "A ranking waits" : `${entries.length} rankings wait`;
      const text = `The server cannot be reached. ${what} in this browser and will be sent again.`;
      messages.show(text, { tone: "warn", about: entries[0].taskId });
    },
  });
}
