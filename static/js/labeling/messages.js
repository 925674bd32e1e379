// What the labeler is told: a visible message above the bar, and spoken announcements.

const PLAIN_WORDS = {
  lease_lost: "Your hold on this task has ended.",
  key_reused: "An earlier version of this ranking is stored, and this one could not replace it.",
};

export function createMessages(region, announcer) {
  return {
    show(text, { tone = "bad", link = null } = {}) {
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
      region.replaceChildren(notice);
    },
    ask(title, { points, button }) {
      const notice = document.createElement("div");
      notice.className = "notice warn";
      const heading = document.createElement("p");
      heading.className = "title";
      heading.append(title);
      const list = document.createElement("ul");
      list.append(...points.map((point) => Object.assign(document.createElement("li"), { textContent: point })));
      notice.append(heading, list);
      if (button) {
        const element = Object.assign(document.createElement("button"), {
          type: "button", className: "button", textContent: button.text, onclick: button.onClick,
        });
        const actions = Object.assign(document.createElement("p"), { className: "actions" });
        actions.append(element);
        notice.append(actions);
      }
      region.replaceChildren(notice);
    },
    clear: () => region.replaceChildren(),
    // What leads on with a link stays: the work cannot be submitted here any more.
    clearPassing() {
      if (!region.querySelector("a")) {
        region.replaceChildren();
      }
    },
    announce(text) {
      announcer.textContent = "";
      requestAnimationFrame(() => { announcer.textContent = text; });
    },
  };
}

// The problem of a refused call as {text, link} for people; `next` is where the next task is.
export function explain(status, problem, next) {
  const detail = problem.detail ?? "The server refused this without a reason.";
  if (status === 401) {
    return { text: "You are signed out. Your work is kept in this browser.",
      link: { href: `/sign-in?next=${encodeURIComponent(next)}`, text: "Sign in again" } };
  }
  if (status === 409 || problem.code === "key_reused") {
    const what = PLAIN_WORDS[problem.code] ?? detail;
    return { text: `${what} Your work is kept in this browser.`, link: { href: next, text: "Get a task" } };
  }
  return { text: `Not submitted: ${detail} Your work is kept; try again.`, link: null };
}
