"use strict";
// Search, filter and sort a fleet's table, and show a tenant's plan when its row is opened. All that comes
// from a directory is put in as text, never as markup.
const table = document.getElementById("fleet");
const body = table.tBodies[0];
const search = document.getElementById("search");
const count = document.getElementById("count");
const boxes = [...document.querySelectorAll("input[name=outcome]")];
const rows = [...body.rows].map((row) => ({
  row,
  text: row.textContent.toLowerCase(),
  outcome: row.dataset.outcome,
  values: [...row.cells].map((cell) => cell.dataset.value),
  detail: null,
}));

function show() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  let shown = 0;
  for (const one of rows) {
    const fits = words.every((word) => one.text.includes(word)) && (!wanted.size || wanted.has(one.outcome));
    one.row.hidden = !fits;
    if (one.detail) one.detail.hidden = !fits || !one.open;
    shown += fits;
  }
  count.textContent = shown === rows.length ? `${rows.length} tenants` : `${shown} of ${rows.length} tenants`;
}

function sortBy(column, kind, heading) {
  const up = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", up ? "ascending" : "descending");
  const value = (one) => (kind === "text" ? one.values[column] : Number(one.values[column]));
  rows.sort((a, b) => { const [x, y] = [value(a), value(b)]; return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1); });
  const sorted = document.createDocumentFragment();
  for (const one of rows) { sorted.append(one.row); if (one.detail) sorted.append(one.detail); }
  body.append(sorted);
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function quoted(value) {
  return value === null ? "(none)" : typeof value === "boolean" ? String(value) : JSON.stringify(value);
}

function changeItem(change) {
  const item = element("li");
  item.append(element("b", change.action), ` ${change.resource} `, element("code", change.key));
  if (change.privilege) item.append(" ", element("b", "!"));
  if (change.outcome) item.append(` (${change.outcome}${change.error ? `: ${change.error}` : ""})`);
  const list = element("ul");
  for (const row of change.diff || []) {
    const line = "added" in row
      ? `members: ${row.added.map((name) => `+${name}`).concat(row.removed.map((name) => `-${name}`)).join(", ")}`
      : `${row.path}: ${quoted(row.before)} becomes ${quoted(row.after)}`;
    list.append(element("li", line));
  }
  for (const reason of change.reasons || []) list.append(element("li", reason, "quiet"));
  if (list.childElementCount) item.append(list);
  return item;
}

function section(title, items) {
  if (!items.length) return [];
  const list = element("ul", undefined, "details");
  list.append(...items);
  return [element("h3", `${title} (${items.length})`), list];
}

function detailOf(one) {
  const made = element("tr", undefined, "detail");
  const cell = element("td");
  cell.colSpan = 7;
  const data = document.getElementById(`p${one.row.id.slice(1)}`);
  if (data) {
    const plan = JSON.parse(data.textContent);
    cell.append(...section("Checks", (plan.checks || []).filter((line) => line.color !== "green").map((line) => element("li", `${line.color}: ${line.name}: ${line.text} ${line.cure || ""}`))));
    cell.append(...section("Guards that objected", (plan.guards || []).filter((guard) => guard.tripped).map((guard) => element("li", `${guard.name}: ${guard.message} ${guard.approve}`))));
    cell.append(...section("Changes", (plan.changes || []).map(changeItem)));
    cell.append(...section("Held", (plan.problems || []).map((problem) => element("li", `${problem.key}: ${problem.message} (${problem.code})`))));
    cell.append(...section("Warnings", (plan.warnings || []).map((warning) => element("li", warning))));
  }
  if (!cell.childElementCount) cell.append(element("p", "There is no plan to show.", "quiet"));
  made.append(cell);
  return made;
}

function toggle(one, button) {
  if (!one.detail) { one.detail = detailOf(one); one.row.after(one.detail); one.open = false; }
  one.open = !one.open;
  one.detail.hidden = !one.open;
  button.setAttribute("aria-expanded", String(one.open));
}

table.tHead.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) sortBy(button.parentElement.cellIndex, button.dataset.sort, button.parentElement);
});
body.addEventListener("click", (event) => {
  const button = event.target.closest("button.open");
  if (button) toggle(rows.find((one) => one.row === button.closest("tr")), button);
});
search.addEventListener("input", show);
for (const box of boxes) box.addEventListener("change", show);
document.getElementById("find").addEventListener("submit", (event) => event.preventDefault());
