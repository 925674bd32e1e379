// Tells whether somebody works here: the window is visible and focused, and the last sign of life is not older than
// it takes to read the task slowly (150 words a minute, at least a minute).

const TICK_MS = 1000;
const WORDS_PER_MINUTE = 150;

// How many words the prompt and the responses have.
export function wordsToRead(root) {
  const texts = [...root.querySelectorAll(".prose")].map((element) => element.textContent);
  return texts.join(" ").split(/\s+/).filter((word) => word !== "").length;
}

export function idleAfterMs(words, minSeconds) {
  return Math.max(minSeconds * 1000, (words / WORDS_PER_MINUTE) * 60_000);
}

// One clock for the page. `onTick(ms)` gets the active time since the last tick; `onIdle(isIdle)` says of a change.
export function startClock({ onTick, onIdle }) {
  let idleMs = 60_000;
  let lastSign = performance.now();
  let lastTick = lastSign;
  let isIdle = false;
  let isHeld = false;

  for (const name of ["pointermove", "pointerdown", "keydown", "wheel", "touchmove"]) {
    document.addEventListener(name, () => { lastSign = performance.now(); }, { passive: true });
  }
  setInterval(() => {
    const now = performance.now();
    const wasIdle = isIdle;
    isIdle = isHeld || document.hidden || !document.hasFocus() || now - lastSign >= idleMs;
    if (isIdle !== wasIdle) {
      onIdle(isIdle);
    }
    if (!isIdle) {
      onTick(Math.min(now - lastTick, 2 * TICK_MS)); // A sleeping machine is not at work.
    }
    lastTick = now;
  }, TICK_MS);
  return {
    isActive: () => !isIdle,
    allow(ms) {
      idleMs = ms;
    },
    // During a pause nothing counts, whatever moves.
    hold(isPausing) {
      isHeld = isPausing;
    },
  };
}
