"use strict";
// Search, filter and sort a fleet's table, and show a tenant's plan when its row is opened. All that comes
// from a directory is put in as text, never as markup.
const table = document.getElementById("fleet");
const body = table.tBodies[0];
const find = document.getElementById("find");
const search = document.getElementById("search");
const count = document.getElementById("count");
const sums = [...document.getElementById("sums").cells];
const boxes = [...find.querySelectorAll("input[name=outcome]")];
const summed = sums.map((cell, column) => column).filter((column) => column > 1 && sums[column].textContent);
const details = new Map(); // by row: the row below it, once it was opened
const names = new Intl.Collator("en", { numeric: true });
const many = body.rows.length;
const command = table.classList[1];
const [nothing, none] = command === "check"
  ? ["All lines are green.", "There are no lines: the check ended before it had any."]
  : ["Nothing to do.", "There is no plan: the run ended before it had one."];
const longest = 200; // so many items of a list are shown at first, and so many more at a time
const more = 1000;
let known = null;

// What the rows say, read when it is first asked for.
function rows() {
  known ??= [...body.querySelectorAll("tr[data-outcome]")].map((row, rank) => ({
    row,
    rank,
    text: row.textContent.toLowerCase(),
    outcome: row.dataset.outcome,
    cells: [row.querySelector("button").textContent, ...[...row.cells].slice(1).map((cell) => cell.textContent)],
  }));
  return known;
}

function show() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  const totals = sums.map(() => 0);
  let shown = 0;
  for (const one of rows()) {
    const fits = words.every((word) => one.text.includes(word)) && (!wanted.size || wanted.has(one.outcome));
    one.row.hidden = !fits;
    const detail = details.get(one.row);
    if (detail) detail.hidden = !fits || !isOpen(one.row);
    if (!fits) continue;
    shown += 1;
    for (const column of summed) totals[column] += Number(one.cells[column]);
  }
  for (const column of summed) sums[column].textContent = totals[column];
  tell(shown);
}

function tell(shown) {
  const plural = many === 1 ? "" : "s";
  count.textContent = shown === many ? `${many} tenant${plural}` : `${shown} of ${many} tenant${plural}`;
}

// Return what a column is sorted by; null where nothing is known, which is last in either direction.
function valueOf(one, column) {
  const text = one.cells[column];
  if (column === 1) return one.rank;
  if (column === 0 || text === "") return text || null;
  if (/^\d{4}-/.test(text)) return Date.parse(`${text.replace(" ", "T")}Z`);
  return { expired: -1, today: 0 }[text] ?? Number.parseFloat(text);
}

function sortBy(heading) {
  const column = heading.cellIndex;
  const up = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", up ? "ascending" : "descending");
  const sorted = rows().map((one) => [valueOf(one, column), one]);
  sorted.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return (typeof a === "string" ? names.compare(a, b) : a - b) * (up ? 1 : -1);
  });
  const moved = document.createDocumentFragment();
  for (const [, { row }] of sorted) {
    moved.append(row);
    if (details.has(row)) moved.append(details.get(row));
  }
  body.append(moved);
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function list(items, make) {
  const made = element("ul", undefined, items.length > longest ? "list many" : "list");
  made.append(...items.slice(0, longest).map(make));
  if (items.length <= longest) return made;
  const last = element("li", undefined, "row");
  const button = element("button");
  button.type = "button";
  let shown = longest;
  const offer = () => { button.textContent = `Show ${Math.min(more, items.length - shown)} more of ${items.length}`; };
  button.addEventListener("click", () => {
    const next = items.slice(shown, shown + more).map(make);
    last.before(...next);
    shown += next.length;
    if (shown < items.length) offer();
    else last.remove();
    next[0].tabIndex = -1;
    next[0].focus();
  });
  offer();
  last.append(button);
  made.append(last);
  return made;
}

function section(title, items, make) {
  if (!items || !items.length) return [];
  const heading = element("h2", `${title} `);
  heading.append(element("small", items.length));
  return [heading, list(items, make)];
}

function itemOf(tag, kind, name, ...tags) {
  const made = element("li", undefined, "row");
  const head = element("p");
  head.append(element("span", tag, `tag ${tag}`), " ", element("span", kind, "kind"), " ", element("strong", name));
  for (const [text, className] of tags) head.append(" ", element("span", text, `tag ${className}`));
  made.append(head);
  return made;
}

function line(...texts) {
  return element("li", texts.filter(Boolean).join(" "), "row");
}

function quoted(value) {
  return value === null ? "(none)" : typeof value === "string" ? `"${value.replaceAll('"', '\\"')}"` : String(value);
}

function attributeItem(change, delta, organizations) {
  const item = element("li");
  if ("added" in delta) {
    item.append(element("b", `members (${delta.added.length} added, ${delta.removed.length} removed)`), " ");
    const names = element("span", undefined, "names");
    const texts = [["ins", delta.added], ["del", delta.removed]].filter(([, keys]) => keys.length);
    texts.forEach(([mark, keys], number) => names.append(number ? "; " : "", element(mark, keys.join(", "))));
    if (delta.added.length + delta.removed.length > 40) { // it may scroll
      names.tabIndex = 0;
      names.setAttribute("role", "group");
      names.setAttribute("aria-label", "members");
    }
    item.append(names);
    return item;
  }
  const called = (value) => {
    const name = delta.path === "organizationId" && organizations.get(value);
    return name ? ` (${name})` : "";
  };
  item.append(element("b", delta.path), " ");
  if (change.action !== "create") {
    const becomes = element("span", " becomes ", "to");
    item.append(element("del", quoted(delta.before)), called(delta.before), becomes);
  }
  item.append(element("ins", quoted(delta.after)), called(delta.after));
  if (delta.via) item.append(" by way of ", element("code", quoted(delta.via)));
  return item;
}

function changeItem(change, organizations) {
  const tags = [];
  if (change.privilege) tags.push(["change of rights", "privilege"]);
  if (change.outcome) tags.push([change.outcome, change.outcome]);
  else if (change.withheld) tags.push(["withheld, see the guards", "withheld"]);
  const item = itemOf(change.action, change.resource, change.key, ...tags);
  const told = (change.diff || []).filter((delta) => change.action !== "create" || delta.after !== change.key);
  if (told.length) {
    const diff = element("ul", undefined, change.action === "create" && change.resource === "user" ? "diff flat" : "diff");
    diff.append(...told.map((delta) => attributeItem(change, delta, organizations)));
    item.append(diff);
  }
  if (change.error) item.append(element("p", change.error, "error"));
  if (change.reasons) item.append(element("p", `because: ${change.reasons.join("; ")}`, "why"));
  return item;
}

const resting = new Set(["unchanged", "held", "unmanaged"]);

function counted(summary) {
  const called = (name) => (resting.has(name) ? name : `to ${name}`);
  const parts = Object.entries(summary || {}).map(([resource, counts]) => {
    const told = Object.entries(counts).filter(([, number]) => number).map(([name, number]) => `${number} ${called(name)}`);
    return told.length ? `${resource}: ${told.join(", ")}` : "";
  });
  return parts.filter(Boolean).join("; ");
}

// What needs a look first: changes of rights, then removals; the others in the order in which they are applied.
const weights = { delete: 1, deactivate: 2 };
const weight = (change) => (change.privilege ? 0 : weights[change.action] || 3);

function planParts(plan) {
  const error = plan.error || {};
  const organizations = new Map(Object.entries(plan.organizations || {}));
  const changes = (plan.changes || []).slice().sort((a, b) => weight(a) - weight(b));
  const made = [
    ...section("What went wrong", [...(error.mistakes || []), error.message && `${error.message} ${error.hint}`].filter(Boolean), (text) => line(text)),
    ...section("Checks that need a look", (plan.checks || []).filter((one) => one.color !== "green"), (one) => line(`${one.color}: ${one.name}:`, one.text, ...(one.details || []), one.cure)),
    ...section("Guards that objected", (plan.guards || []).filter((guard) => guard.tripped), (guard) => line(`${guard.name}:`, guard.message, guard.approve && `If that is meant: ${guard.approve}`)),
    ...section("Changes", changes, (change) => changeItem(change, organizations)),
    ...section("Held, left exactly as they are", plan.problems, (problem) => {
      const item = itemOf("held", problem.resource, problem.key);
      item.append(element("p", `${problem.message} (${problem.code})`, "why"));
      return item;
    }),
    ...section("Warnings", plan.warnings, (warning) => line(warning)),
  ];
  const counts = plan.checks ? "" : counted(plan.summary);
  return counts ? [element("p", `Plan: ${counts}.`, "quiet"), ...made] : made;
}

// Return a tenant's plan, or null where there is none. The page may not be here as a whole yet.
async function planOf(id) {
  if (!document.getElementById(id) && document.readyState === "loading") {
    await new Promise((done) => { document.addEventListener("DOMContentLoaded", done, { once: true }); });
  }
  const data = document.getElementById(id);
  if (!data) return null;
  if (data.textContent.startsWith("{")) return JSON.parse(data.textContent);
  const bytes = Uint8Array.from(atob(data.textContent), (letter) => letter.charCodeAt(0));
  const text = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
  return JSON.parse(text);
}

async function fill(cell, { id, dataset }) {
  let parts;
  try {
    const plan = await planOf(`p${id.slice(1)}`);
    parts = plan ? planParts(plan) : [];
    if (!parts.length && command !== "status") parts = [element("p", plan ? nothing : none, "quiet")];
  } catch {
    parts = [element("p", "The plan cannot be read: the file is damaged, or this browser is older than 2023.", "error")];
  }
  const code = dataset.code ? ` Exit code ${dataset.code}.` : "";
  cell.replaceChildren(...parts, element("p", `Configuration: ${dataset.file}.${code}`, "quiet"));
  cell.removeAttribute("aria-busy");
}

function isOpen(row) {
  return row.querySelector("button").getAttribute("aria-expanded") === "true";
}

function toggle(row, button) {
  let detail = details.get(row);
  if (!detail) {
    detail = element("tr", undefined, "detail");
    detail.id = `d${row.id.slice(1)}`;
    const cell = element("td");
    cell.colSpan = row.cells.length;
    cell.setAttribute("aria-busy", "true");
    for (const [one, role] of [[detail, "row"], [cell, "cell"]]) one.setAttribute("role", role);
    detail.append(cell);
    details.set(row, detail);
    row.after(detail);
    button.setAttribute("aria-controls", detail.id);
    fill(cell, row);
  }
  detail.hidden = isOpen(row);
  button.setAttribute("aria-expanded", String(!detail.hidden));
}

table.tHead.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) sortBy(button.parentElement);
});
body.addEventListener("click", (event) => {
  const button = event.target.closest("button[aria-expanded]");
  if (button) toggle(button.closest("tr"), button);
});
find.addEventListener("input", show);
find.addEventListener("reset", () => setTimeout(show));
find.addEventListener("submit", (event) => event.preventDefault());
// A browser may bring back what was chosen before a reload.
window.addEventListener("pageshow", () => { if (search.value || boxes.some((box) => box.checked)) show(); });
tell(many);
find.hidden = many < 2;
performance.mark("ready"); // by which is measured how long it takes until the page can be used
