"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((head, column) => head.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") !== "descending";
    table.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = row => row.cells[column].textContent.trim();
    const number = row => parseFloat(value(row));
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => {
      const missing = isNaN(number(a)) - isNaN(number(b));
      if (column > 0 && !isNaN(number(a)) && !isNaN(number(b))) return down ? number(b) - number(a) : number(a) - number(b);
      return column > 0 && missing ? missing : (down ? 1 : -1) * value(a).localeCompare(value(b));
    });
    table.tBodies[0].append(...rows);
  }));
}

// A row of a part is highlighted everywhere while the pointer is on it; a click keeps its colour.
for (const part of document.querySelectorAll("section")) {
  const marks = row => part.querySelectorAll(`[data-row="${row}"]`);
  const rowOf = event => event.target.closest("[data-row]")?.dataset.row;
  const raise = mark => { if (mark.tagName === "g") mark.parentNode.append(mark); };
  const hover = (event, hot) => {
    const row = rowOf(event);
    if (row !== undefined) marks(row).forEach(mark => { mark.classList.toggle("hot", hot); if (hot) raise(mark); });
  };
  part.addEventListener("pointerover", event => hover(event, true));
  part.addEventListener("pointerout", event => hover(event, false));
  part.addEventListener("click", event => {
    const picked = event.target.closest(".chips button, svg [data-row]");
    if (!picked) return;
    const on = !picked.classList.contains("on");
    marks(picked.dataset.row).forEach(mark => {
      mark.classList.toggle("on", on);
      if (mark.tagName === "BUTTON") mark.setAttribute("aria-pressed", on);
    });
  });
}

const dialog = document.querySelector("dialog");
for (const viewer of document.querySelectorAll(".viewer")) {
  const frames = JSON.parse(viewer.dataset.frames);
  const find = selector => viewer.querySelector(selector);
  const [frame, left, right] = ["frame", "left", "right"].map(name => find("select." + name));
  const [compare, under, over, slider, thumbs, large] =
    [".compare", ".under", ".over", "input", ".thumbs", ".enlarge"].map(find);
  const names = frames[0].map(([name]) => name);
  frames.forEach((_, i) => frame.add(new Option(i + 1)));
  for (const select of [left, right]) names.forEach(name => select.add(new Option(name)));
  right.selectedIndex = names.indexOf("truth");
  left.selectedIndex = names.length - 1;
  names.forEach((name, i) => {
    const thumb = thumbs.appendChild(document.createElement("button"));
    thumb.append(new Image(), name);
    thumb.addEventListener("click", () => { left.selectedIndex = i; show(); });
  });
  const show = () => {
    const pictures = frames[frame.selectedIndex];
    over.src = pictures[left.selectedIndex][1];
    under.src = pictures[right.selectedIndex][1];
    [...thumbs.children].forEach((thumb, i) => {
      thumb.firstChild.src = pictures[i][1];
      thumb.setAttribute("aria-pressed", i === left.selectedIndex);
    });
  };
  under.addEventListener("load", () => viewer.style.setProperty("--aspect", under.naturalWidth / under.naturalHeight));
  for (const select of [frame, left, right]) select.addEventListener("change", show);
  slider.addEventListener("input", () => compare.style.setProperty("--cut", `${slider.value}%`));
  const place = viewer.parentNode.insertBefore(document.createComment("viewer"), viewer);
  const toggle = () => {
    if (dialog.open) return dialog.close();
    dialog.append(viewer);
    large.textContent = "Close";
    dialog.showModal();
  };
  dialog.addEventListener("close", () => {
    if (viewer.parentNode === dialog) { place.after(viewer); large.textContent = "Open large"; }
  });
  for (const button of [large, compare]) button.addEventListener("click", toggle);
  show();
}
