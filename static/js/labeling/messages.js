// What the labeler is told: visible notices above the bar, passing ones in it, where they move nothing, and spoken
// announcements. There is one general notice, and one for each task that something has to be said of after it has left
// the screen.
import { t } from "../words.js";
import { reasonOf } from "./reasons.js";

const PASSING_MS = 10_000;
const PLAIN_WORDS = {
  lease_lost: t("Your hold on this task has ended."),
  key_reused: t("An earlier version of this ranking is stored, and this one could not replace it."),
};

export function createMessages({ region, passing, announcer }) {
  function put(notice, { about = null, stays = false, to = region }) {
    notice.dataset.about = about ?? "";
    notice.dataset.stays = String(stays);
    clearFor(about);
    to.append(notice);
  }

  // Returns whether the focus was in one of them.
  function clearWhere(condition) {
    const gone = [...region.children, ...passing.children].filter(({ dataset }) => condition(dataset));
    const hadFocus = gone.some((notice) => notice.contains(document.activeElement));
    gone.forEach((notice) => notice.remove());
    return hadFocus;
  }

  const clearFor = (about) => clearWhere((dataset) => dataset.about === String(about ?? ""));

  return {
    // With a `link` it stays until it is replaced, unless it `isPassing`; `about` is the task that it is about.
    show(text, { tone = "bad", link = null, about = null, isPassing = false } = {}) {
      const notice = document.createElement("div");
      notice.className = `notice ${tone}`;
      const paragraph = document.createElement("p");
      paragraph.append(text);
      if (link) {
        const anchor = document.createElement("a");
        anchor.href = link.href;
        anchor.textContent = link.text;
        paragraph.append(" ", anchor);
      }
      notice.append(paragraph);
      const stays = !isPassing && (link !== null || about !== null);
      put(notice, { about, stays, to: isPassing && tone !== "warn" ? passing : region });
      if (isPassing) {
        setTimeout(() => notice.remove(), PASSING_MS);
      }
    },
    // Each of `points` is {text, button}; a button is {text, onClick}, or nothing. With `takesFocus` the first one has the
    // focus, unless the labeler is in the bar already.
    ask(title, { points, button, takesFocus = false }) {
      const notice = document.createElement("div");
      notice.className = "notice warn";
      const heading = document.createElement("p");
      heading.className = "title";
      heading.append(title);
      const list = document.createElement("ul");
      list.append(...points.map(toPoint));
      notice.append(heading, list);
      if (button) {
        const actions = Object.assign(document.createElement("p"), { className: "actions" });
        actions.append(toButton(button, "button"));
        notice.append(actions);
      }
      put(notice, {});
      if (takesFocus && !region.parentElement.contains(document.activeElement)) {
        notice.querySelector("button")?.focus({ preventScroll: true });
      }
    },
    clear: () => clearFor(null),
    clearFor,
    // What leads on with a link stays: the work cannot be submitted here any more.
    clearPassing: () => clearWhere((dataset) => dataset.stays === "false"),
    announce(text) {
      announcer.textContent = "";
      requestAnimationFrame(() => { announcer.textContent = text; });
    },
  };
}

function toPoint({ text, button }) {
  const point = document.createElement("li");
  point.append(text, ...(button ? [" ", toButton(button, "inline-action")] : []));
  return point;
}

function toButton({ text, onClick }, className) {
  return Object.assign(document.createElement("button"), { type: "button", className, textContent: text, onclick: onClick });
}

// The problem of a refused call as {text, link} for people. `next` is where the next task is, `task` the address of the
// one it is about; `here` says that this one is on the screen, else it is named by its `number`.
export function explain(status, problem, { next, task, number, here = false }) {
  const detail = reasonOf(problem);
  if (status === 401) {
    return { text: t("You are signed out. Your work is kept in this browser."),
      link: { href: `/sign-in?next=${encodeURIComponent(here ? task ?? next : next)}`, text: t("Sign in again") } };
  }
  const what = PLAIN_WORDS[problem.code] ?? detail;
  if (!here) {
    const text = t("Task {number} was not stored: {what} Your work on it is kept in this browser.", { number, what });
    return { text, link: { href: task, text: t("Open it") } };
  }
  if (status === 404 || status === 409 || problem.code === "key_reused") {
    return { text: t("{what} Your work is kept in this browser.", { what }), link: { href: next, text: t("Get a task") } };
  }
  return { text: t("Not submitted: {detail} Your work is kept; try again.", { detail }), link: null };
}
