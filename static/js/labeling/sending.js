// Sends rankings in the background and says what became of them; one that comes back is never overlooked.
import { dropDraft } from "./draft.js";
import { explain } from "./messages.js";
import { createOutbox } from "./outbox.js";
import { t, tn } from "../words.js";

const SUBMITTED = "submitted"; // What the message is about that passes when another one is submitted, or has to wait.

// `task()` is the open task; `leave(where)` goes on when it is stored, `letGo()` gives it back when it is refused.
export function createSending({ page, next, base, task, leave, letGo }) {
  const { context, messages } = page;
  const outbox = createOutbox(context.labeler, {
    onStored({ taskId, key, isPausing }) {
      dropDraft(context.labeler, taskId);
      messages.clearFor(taskId);
      if (taskId === task().id) {
        leave(isPausing ? base : wasThere.has(key) ? window.location.pathname : next);
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
    onWaiting: tellWaiting,
  });
  // What waited when this page was opened was not submitted on it: who came to see that task is led to no other one.
  const wasThere = new Set(outbox.entries().map(({ key }) => key));

  function tellWaiting(entries) {
    const text = tn({
      one: "The server cannot be reached. A ranking waits in this browser and will be sent again.",
      other: "The server cannot be reached. {count} rankings wait in this browser and will be sent again.",
    }, entries.length);
    messages.clearFor(SUBMITTED);
    messages.show(text, { tone: "warn", about: entries[0].taskId });
  }

  return {
    ...outbox,
    // `goesOn`: the next task is there, and takes the place of this one.
    add(entry, { goesOn }) {
      outbox.add(entry);
      messages.clear();
      if (outbox.isWaiting()) {
        tellWaiting(outbox.entries());
      } else if (goesOn) {
        messages.show(t("Task {number} submitted.", { number: entry.number }), {
          tone: "good",
          link: { href: `${next}/${entry.taskId}`, text: t("Change it") },
          about: SUBMITTED,
          isPassing: true,
        });
      } else {
        messages.show(t("Submitting…"), { tone: "plain", isPassing: true });
      }
    },
  };
}
