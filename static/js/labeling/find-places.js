// Where a text occurs in a sequence of text nodes, which markup may have cut anywhere. No DOM here.
import { t } from "../words.js";

const MIN_LENGTH = 1;

// [{from: {node, offset}, to: {node, offset}}]; upper and lower case are the same.
export function placesOf(nodes, text) {
  const wanted = text.trim().toLocaleLowerCase();
  const whole = nodes.join("").toLocaleLowerCase();
  // A few letters change their length with their case; then places could be off, so case counts.
  const haystack = whole.length === nodes.join("").length ? whole : nodes.join("");
  if (wanted.length < MIN_LENGTH) {
    return [];
  }
  const starts = [0];
  nodes.forEach((each) => starts.push(starts.at(-1) + each.length));
  const places = [];
  let node = 0;
  for (let at = haystack.indexOf(wanted); at !== -1; at = haystack.indexOf(wanted, at + wanted.length)) {
    const end = at + wanted.length;
    while (starts[node + 1] <= at) {
      node += 1;
    }
    let last = node;
    while (starts[last + 1] < end) {
      last += 1;
    }
    places.push({ from: { node, offset: at - starts[node] }, to: { node: last, offset: end - starts[last] } });
  }
  return places;
}

// "A 2, C 1, in 2 of 5", from [name, count] pairs.
export function countsText(text, counts) {
  if (text.trim() === "") {
    return "";
  }
  const having = counts.filter(([, count]) => count > 0);
  return having.map(([name, count]) => `${name} ${count}`).join(", ") || t("not found");
}
