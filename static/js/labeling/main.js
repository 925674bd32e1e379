// The labeling page: what outlives a task. It opens tasks one after the other, brings the next one ahead of time,
// sends rankings in the background, keeps leases, and passes keys on to the task that is open.
import "../dialog.js";
import "../theme.js";
import { startClock } from "./active-time.js";
import { afterFrame } from "./after-frame.js";
import { createAhead } from "./ahead.js";
import { createDesk } from "./desk.js";
import { dropDraft, dropOldDrafts } from "./draft.js";
import { enableFind } from "./find.js";
import { holdTasks } from "./holding.js";
import { enableKeyboard } from "./keyboard.js";
import { createPage } from "./page.js";
import { createSending } from "./sending.js";
import { enableReport } from "./report.js";
import { enableSkip } from "./skip.js";
import { openTask } from "./task.js";
import { setMath } from "../set-math.js";

const form = document.querySelector("[data-labeling]");
const find = (selector) => document.querySelector(selector);
const context = JSON.parse(form.dataset.context);
const base = `/projects/${context.slug}`;
const next = `${base}/label`;
let number = context.number;
let task = null;
const page = createPage(context);
const outbox = createSending({ page, next, base, task: () => task, leave, letGo: () => { form.inert = false; } });
const ahead = createAhead(context.slug, {
  beside: () => [task.id, ...outbox.entries().map(({ taskId }) => taskId)].slice(0, 4),
});

const clock = startClock({
  onTick(ms) {
    task.countActive(ms);
    desk.worked(ms, task);
  },
  onIdle: (isIdle) => task.log(isIdle ? "idle_start" : "idle_stop"),
});
const desk = createDesk({ form, page, clock });

function open(root) {
  task?.close();
  finder.close();
  const current = form.querySelector("[data-workplace]");
  if (root !== current) {
    current.replaceWith(root);
    page.setAddress(next);
  }
  form.inert = false;
  task = openTask(root, { page, onReady: submit });
  page.nameTask(number, task);
  setMath(root);
  form.dataset.task = task.id;
  clock.allow(task.idleAfterMs);
  desk.opened(task);
  // What asks where things are comes last: the page is laid out once.
  if (root !== current) {
    window.scrollTo(0, 0);
    form.querySelector("[data-response]").focus({ preventScroll: true });
  }
  task.foldLong();
  if (!task.isDone) {
    form.dataset.hasNext = "false";
    afterFrame(prepareNext);
  }
}

async function prepareNext() {
  await ahead.prepare();
  form.dataset.hasNext = String(ahead.lease() !== null);
}

function submit(entry, { isPausing }) {
  const following = isPausing || task.isDone ? null : ahead.take();
  desk.submitted(task);
  // Before the next one is opened: what is brought ahead then must not be this one.
  outbox.add({ ...entry, number, isPausing }, { goesOn: following !== null });
  if (following) {
    number += 1;
    open(following);
  } else {
    form.inert = true; // Nothing more can be changed until it is stored.
  }
}

// Goes on without a ranking: the task was skipped or withdrawn.
async function goOn() {
  dropDraft(context.labeler, task.id);
  form.inert = true;
  if (!task.isDone) {
    await ahead.prepare(); // It may be on its way.
  }
  const following = ahead.take();
  return following ? open(following) : leave(next);
}

function leave(where) {
  task.close();
  window.location.assign(where);
}

holdTasks({ task: () => task, ahead, clock, messages: page.messages, next });

const finder = enableFind(find("[data-find]"), {
  task: () => task,
  onLook: (id) => id !== null && task.store.look({ active: id }),
  onFind: (text) => task.log("find", { length: text.length }),
});

const actions = {
  ...desk.actions,
  find: finder.open,
  saveNow: () => task.saveNow(),
  submit: () => task.trySubmit(),
  submitAndPause: () => task.trySubmit({ isPausing: true }),
  earlier: () => leave(`${next}/earlier?than=${task.id}`),
  current: () => leave(next),
};

function perform(action, source) {
  if (!form.inert) { // Else it is on its way, and nothing more can be done to it here.
    (actions[action[0]] ?? (() => task.perform(action, source)))(source);
  }
}

enableKeyboard({ preferences: context.preferences, count: () => task.letterCount, perform });
find("[data-labeling]").addEventListener("click", ({ target }) => {
  const name = target.closest("[data-action]")?.dataset.action;
  if (name) {
    perform([name], {});
  }
});
page.stepView.enable((name) => perform([name], {}));
enableSkip(find("#skip"), { task: () => task, next, onSkipped: goOn });
enableReport(find("#report"), { task: () => task, next, messages: page.messages, onWithdrawn: goOn });
form.addEventListener("submit", (event) => {
  event.preventDefault();
  perform(["submit"], {});
});
// Enter in a rating must not submit.
form.addEventListener("keydown", (event) => event.key === "Enter" && event.target.matches("input") && event.preventDefault());
form.reset();
dropOldDrafts();
open(form.querySelector("[data-workplace]"));
if (outbox.entries().some(({ taskId }) => taskId === task.id)) {
  form.inert = true; // It is submitted already, and only not stored yet.
}
outbox.send();
