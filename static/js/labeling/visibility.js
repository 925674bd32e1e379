// Counts for how long each card was on the screen, while somebody worked there.

export function watchCards(cards, { signal }) {
  const visible = new Set();
  const ms = new Map([...cards.keys()].map((id) => [id, 0]));
  const ids = new Map([...cards].map(([id, card]) => [card, id]));
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) {
        visible.add(ids.get(target));
      } else {
        visible.delete(ids.get(target));
      }
    }
  });
  cards.forEach((card) => observer.observe(card));
  signal.addEventListener("abort", () => observer.disconnect());
  return {
    count(activeMs) {
      visible.forEach((id) => ms.set(id, ms.get(id) + activeMs));
    },
    restore(saved) {
      ms.forEach((_ms, id) => ms.set(id, Number(saved?.[id]) || 0));
    },
    ms: () => new Map([...ms].map(([id, each]) => [id, Math.round(each)])),
  };
}
