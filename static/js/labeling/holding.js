// Holds the open task and the one that was brought ahead, and says what becomes of the hold on the open one.
import { keepLeases } from "./lease.js";
import { explain } from "./messages.js";
import { t } from "../words.js";

// `task()` is the open task, `clock` knows whether somebody works; `next` is where the next task is to be had.
export function holdTasks({ task, ahead, clock, messages, next }) {
  keepLeases({
    held: () => [task().lease(), ahead.lease()].filter((lease) => lease !== null),
    isActive: clock.isActive,
    onKept(id, lease) {
      if (id === task().id) {
        task().keepLease(lease);
      } else if (id === ahead.lease()?.id) {
        ahead.keepLease(lease);
      }
    },
    onLost(id, status, problem) {
      if (id === task().id) {
        const { text, link } = explain(status, problem, { next, task: `${next}/${id}`, here: true });
        messages.show(text, { link });
      } else {
        ahead.drop();
      }
    },
    onEnding(keep) {
      messages.ask(t("Your hold on this task ends in less than two minutes."), {
        points: [], button: { text: t("Keep this task"), onClick: () => { keep(); messages.clear(); } },
      });
    },
  });
}
