"use strict";
const MANY = 12; // rows from which a table gets a filter
const numbers = new Intl.Collator(undefined, { numeric: true });

function key(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value ?? cell.textContent.trim();
}

// Numbers first, then texts; what is empty comes last in both directions.
function compare(a, b, sign) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const [x, y] = [Number(a), Number(b)];
  return sign * (Number.isNaN(x) || Number.isNaN(y) ? numbers.compare(a, b) : x - y);
}

function sort(table, header) {
  const falling = header.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const column = header.cellIndex;
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compare(key(a, column), key(b, column), falling ? -1 : 1));
  table.tBodies[0].append(...rows);
}

function makeSortable(table) {
  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(table, header));
    header.append(button);
    header.setAttribute("aria-sort", "none");
  }
}

// A filter hides what does not hold the text: rows of a table, or figures.
function addFilter(place, items, label) {
  if (items.length <= MANY) return;
  const field = document.createElement("input");
  field.type = "search";
  field.placeholder = field.ariaLabel = label;
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase();
    for (const item of items) item.hidden = !item.textContent.toLowerCase().includes(wanted);
  });
  place.before(field);
}

for (const table of document.querySelectorAll("table.sortable")) {
  makeSortable(table);
  addFilter(table.parentElement, [...table.tBodies[0].rows], "Filter rows");
}
for (const cards of document.querySelectorAll(".cards")) {
  addFilter(cards, [...cards.children], "Filter by name");
}
for (const box of document.querySelectorAll(".network")) {
  box.scrollLeft = (box.scrollWidth - box.clientWidth) / 2;
}
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
