// How the window is divided: the prompt and the board can be folded to rails, and the prompt has a width. Each browser
// remembers it. What is chosen outlives a task, so it is set on the form and anew on each task.
import { storage } from "./storage.js";
import { t } from "../words.js";

const SETTING = "podium.layout";
const TEXTS = {
  prompt: { hide: t("Hide the prompt"), show: t("Show the prompt") },
  board: { hide: t("Hide the rank board"), show: t("Show the rank board") },
};
const STEP_PX = 16;
const MIN_PX = 320;
const MAX_PX = 480;

export function createLayout(form) {
  let chosen = { prompt: true, board: true, promptPx: null, ...read() };
  const edge = () => form.querySelector("[data-prompt-edge]");
  // Not read where it is set: the page would have to be laid out for it.
  const observer = new ResizeObserver(() => edge().setAttribute("aria-valuenow", width()));

  function choose(part) {
    chosen = { ...chosen, ...part };
    storage()?.setItem(SETTING, JSON.stringify(chosen));
    apply();
  }

  function apply() {
    for (const name of Object.keys(TEXTS)) {
      form.classList.toggle(`is-${name}-folded`, !chosen[name]);
      const button = form.querySelector(`[data-rail="${name}"]`);
      button.setAttribute("aria-expanded", String(chosen[name]));
      button.setAttribute("aria-label", chosen[name] ? TEXTS[name].hide : TEXTS[name].show);
    }
    if (chosen.promptPx !== null) {
      form.style.setProperty("--prompt-width", `${chosen.promptPx}px`);
    }
    observer.disconnect();
    observer.observe(form.querySelector(".prompt"));
  }

  const width = () => Math.round(chosen.promptPx ?? form.querySelector(".prompt").offsetWidth);
  const widen = (px) => choose({ promptPx: Math.min(Math.max(Math.round(px), MIN_PX), MAX_PX) });
  const forward = () => (getComputedStyle(form).direction === "rtl" ? -1 : 1);

  form.addEventListener("click", (event) => {
    const name = event.target.closest("[data-rail]")?.dataset.rail;
    if (name) {
      choose({ [name]: !chosen[name] });
    }
  });

  form.addEventListener("keydown", (event) => {
    if (!event.target.matches("[data-prompt-edge]") || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    const to = {
      ArrowLeft: width() - STEP_PX * forward(), ArrowRight: width() + STEP_PX * forward(), Home: MIN_PX, End: MAX_PX,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      widen(to);
    }
  });

  form.addEventListener("pointerdown", (event) => {
    if (!event.target.matches("[data-prompt-edge]")) {
      return;
    }
    const edge = event.target;
    const start = { x: event.clientX, px: width() };
    const onMove = ({ clientX }) => widen(start.px + (clientX - start.x) * forward());
    edge.setPointerCapture(event.pointerId);
    edge.addEventListener("pointermove", onMove);
    edge.addEventListener("lostpointercapture", () => edge.removeEventListener("pointermove", onMove), { once: true });
  });

  return {
    apply,
    toggle: (name) => choose({ [name]: !chosen[name] }),
    unfold: (name) => choose({ [name]: true }),
  };
}

function read() {
  try {
    const { prompt, board, promptPx } = JSON.parse(storage()?.getItem(SETTING)) ?? {};
    const isWidth = Number.isFinite(promptPx) && promptPx >= MIN_PX && promptPx <= MAX_PX;
    return { prompt: prompt !== false, board: board !== false, promptPx: isWidth ? promptPx : null };
  } catch {
    return {}; // Nothing of ours.
  }
}
