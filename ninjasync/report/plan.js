"use strict";
// Filters and search over rows that are all in the page already. Without this script, and on paper, all of them show.
(() => {
  const form = document.getElementById("find");
  if (!form) return;
  const query = document.getElementById("query");
  const count = document.getElementById("count");
  const rows = Array.from(document.querySelectorAll(".row"), (element) => ({ element, words: null }));
  const groups = Array.from(document.querySelectorAll(".rows"));

  const chosen = () => {
    const names = {};
    for (const box of form.querySelectorAll("input:checked")) (names[box.name] ??= []).push(box.value);
    return Object.entries(names);
  };

  const fits = (row, choices, sought) => {
    for (const [name, values] of choices) {
      const own = (row.element.dataset[name] ?? "").split(" ");
      if (!values.some((value) => own.includes(value))) return false;
    }
    if (!sought.length) return true;
    row.words ??= row.element.textContent.toLowerCase();
    return sought.every((word) => row.words.includes(word));
  };

  const show = () => {
    const choices = chosen();
    const sought = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    let number = 0;
    for (const row of rows) {
      const fit = fits(row, choices, sought);
      number += fit;
      row.element.classList.toggle("off", !fit);
    }
    for (const group of groups) group.classList.toggle("off", !group.querySelector(".row:not(.off)"));
    count.textContent = `${number} of ${rows.length} shown`;
  };

  form.addEventListener("input", show);
  form.addEventListener("reset", () => setTimeout(show));
  form.addEventListener("submit", (event) => event.preventDefault());
  // A browser may bring back what was chosen before a reload.
  window.addEventListener("pageshow", show);
  form.hidden = false;
  show();
})();
