// Counts for how long each card, and the end of its text, was on the screen while somebody worked there. Who had the
// end in sight for as long as fast reading takes has read it: that fills a dot.
import { wordsToRead } from "./active-time.js";

const WORDS_PER_MINUTE = 1000;

export function watchCards(cards, { signal }) {
  const shown = stopwatches(cards, signal);
  const ends = stopwatches(
    new Map([...cards].map(([id, card]) => [id, card.querySelector(".response-footer")])), signal,
  );
  const needed = new Map([...cards].map(([id, card]) => [id, (wordsToRead(card) / WORDS_PER_MINUTE) * 60_000]));

  function fillDots() {
    ends.ms().forEach((ms, id) => {
      const isRead = ms > 0 && ms >= needed.get(id);
      cards.get(id).classList.toggle("is-read", isRead);
      cards.get(id).querySelector("[data-read] span").hidden = !isRead;
    });
  }

  return {
    count(activeMs) {
      shown.count(activeMs, () => true);
      ends.count(activeMs, (id) => !cards.get(id).classList.contains("is-collapsed"));
      fillDots();
    },
    restore(saved) {
      shown.restore(saved?.visibleMs);
      ends.restore(saved?.endMs);
      fillDots();
    },
    ms: shown.ms,
    // What a draft keeps, in milliseconds.
    measures: () => ({ visibleMs: Object.fromEntries(shown.ms()), endMs: Object.fromEntries(ends.ms()) }),
  };
}

// One for each element, by id; it runs while the element is on the screen.
function stopwatches(elements, signal) {
  const visible = new Set();
  const ms = new Map([...elements.keys()].map((id) => [id, 0]));
  const ids = new Map([...elements].map(([id, element]) => [element, id]));
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) {
        visible.add(ids.get(target));
      } else {
        visible.delete(ids.get(target));
      }
    }
  });
  elements.forEach((element) => observer.observe(element));
  signal.addEventListener("abort", () => observer.disconnect());
  return {
    count(passed, counts) {
      [...visible].filter(counts).forEach((id) => ms.set(id, ms.get(id) + passed));
    },
    restore(saved) {
      ms.forEach((_ms, id) => ms.set(id, Number(saved?.[id]) || 0));
    },
    ms: () => new Map([...ms].map(([id, each]) => [id, Math.round(each)])),
  };
}
