// [data-lineage]: marks what the box under the pointer or the focus was made from (data-relation="source"), and what
// depends on it ("made"). A box is [data-node], a line has [data-source] and [data-target].

function reached(start, next) {
  const found = new Set();
  const waiting = [start];
  while (waiting.length > 0) {
    for (const key of next.get(waiting.pop()) ?? []) {
      if (!found.has(key)) {
        found.add(key);
        waiting.push(key);
      }
    }
  }
  return found;
}

function grouped(lines, from, to) {
  const groups = new Map();
  for (const { dataset } of lines) {
    groups.set(dataset[from], [...(groups.get(dataset[from]) ?? []), dataset[to]]);
  }
  return groups;
}

function attach(frame) {
  const boxes = [...frame.querySelectorAll("[data-node]")];
  const lines = [...frame.querySelectorAll("[data-source]")];
  const parents = grouped(lines, "target", "source");
  const children = grouped(lines, "source", "target");

  function mark(key) {
    const sources = reached(key, parents).add(key);
    const made = reached(key, children).add(key);
    for (const box of boxes) {
      const { node } = box.dataset;
      const isOther = !sources.has(node) && !made.has(node);
      box.dataset.relation = node === key ? "this" : isOther ? "other" : sources.has(node) ? "source" : "made";
    }
    for (const line of lines) {
      const { source, target } = line.dataset;
      const isSource = sources.has(source) && sources.has(target);
      const isMade = made.has(source) && made.has(target);
      if (isSource || isMade) line.parentNode.append(line); // above those that share its trunk
      line.dataset.relation = isSource ? "source" : isMade ? "made" : "other";
    }
  }

  function unmark() {
    for (const element of [...boxes, ...lines]) delete element.dataset.relation;
  }

  function follow({ target }) {
    const box = target.closest("[data-node]");
    if (box) mark(box.dataset.node);
    else unmark();
  }

  frame.addEventListener("pointerover", follow);
  frame.addEventListener("pointerleave", unmark);
  frame.addEventListener("focusin", follow);
  frame.addEventListener("focusout", unmark);
}

document.querySelectorAll("[data-lineage]").forEach(attach);
