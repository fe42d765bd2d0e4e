"use strict";
// Search narrows the list and the tables; a column's link shows where it comes from and where it goes. Without this the page says the same,
// one step at a time.
(() => {
  const box = document.querySelector("#find"), none = document.querySelector("#none");
  const cards = [...document.querySelectorAll("[data-find]")];
  document.querySelector(".find").hidden = false;
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const card of cards) {
      card.hidden = !words.every(w => card.dataset.find.includes(w));
      left += card.hidden ? 0 : 1;
    }
    none.hidden = left > 0;
  });

  const panel = document.createElement("aside");
  panel.id = "trace";
  panel.hidden = true;
  panel.setAttribute("aria-label", "Lineage of a column");
  document.body.append(panel);

  const target = () => document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const tree = (row, side, seen) => {
    const list = document.createElement("ul");
    for (const link of row.querySelectorAll(side + " a")) {
      const item = document.createElement("li"), copy = link.cloneNode(true);
      item.append(copy, " ", link.dataset.how || "");
      const next = document.getElementById(decodeURIComponent(link.hash.slice(1)));
      if (next && !seen.has(next.id)) {
        seen.add(next.id);
        const below = tree(next, side, seen);
        if (below) item.append(below);
      }
      list.append(item);
    }
    return list.childElementCount ? list : null;
  };
  const side = (title, row, selector) => {
    const part = document.createElement("div"), head = document.createElement("h4");
    head.textContent = title;
    part.append(head, tree(row, selector, new Set([row.id])) || "nothing that is known");
    return part;
  };
  const show = () => {
    const row = target();
    panel.hidden = !(row && row.matches("tr[data-column]"));
    if (!row) return;
    for (let at = row; at; at = at.parentElement) if (at.matches("details")) { at.open = true; at.hidden = false; }
    if (panel.hidden) { row.scrollIntoView(); return; }
    const close = document.createElement("button"), name = document.createElement("b"), both = document.createElement("div");
    close.textContent = "Close";
    close.addEventListener("click", () => { panel.hidden = true; });
    name.className = "mono";
    name.textContent = row.dataset.column;
    both.className = "both";
    both.append(side("Comes from", row, ".up"), side("Goes to", row, ".down"));
    panel.replaceChildren(close, name, both);
    row.scrollIntoView({block: "center"});
  };
  addEventListener("hashchange", show);
  show();
})();
