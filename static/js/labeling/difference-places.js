// Where the pieces of a text that the server compared lie in the text nodes that show it. No DOM here.

const SPACE = /\s/;

// `units` are the texts of the nodes in order. [{unit, from, to, segment}] of what differs, cut at the nodes' ends and
// without the space around it; null when the nodes show another text. Spaces never count: markup has its own.
export function differencePlaces(units, segments) {
  const places = [];
  let [segment, at] = [0, 0];

  function skipSpace() {
    while (segment < segments.length && (at >= segments[segment].text.length || SPACE.test(segments[segment].text[at]))) {
      [segment, at] = at >= segments[segment].text.length ? [segment + 1, 0] : [segment, at + 1];
    }
  }

  for (const [unit, text] of units.entries()) {
    for (let index = 0; index < text.length; index += 1) {
      if (!SPACE.test(text[index])) {
        skipSpace();
        if (segments[segment]?.text[at] !== text[index]) {
          return null;
        }
        const last = places.at(-1);
        if (last?.unit === unit && last.segment === segment) {
          last.to = index + 1;
        } else if (segments[segment].kind !== "same") {
          places.push({ unit, from: index, to: index + 1, segment });
        }
        at += 1;
      }
    }
  }
  skipSpace();
  return segment === segments.length ? places : null;
}
