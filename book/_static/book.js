// Formulas, code and tables that are wider than the column scroll inside their own box. While one scrolls it can be
// reached by keyboard and says what it is; while it does not, it is no stop on the way.
const BOXES = {
  ".math-scroll": "Formula, scrolls sideways",
  "span.math": "Formula, scrolls sideways",
  ".bd-article pre": "Code, scrolls sideways",
  ".cell_output .output": "Output, scrolls sideways",
  ".pst-scrollable-table-container": "Table, scrolls sideways",
};

/** Write the formula's natural width, in em, where the style sheet finds it: it shrinks a wide one on paper and on a phone. */
function noteNaturalWidth(box) {
  const formula = box.querySelector(".katex-display");
  if (!formula || !box.clientWidth) return;
  let width = 0;
  for (const part of formula.querySelectorAll(".katex-html > .base")) width += part.getBoundingClientRect().width;
  if (width) box.style.setProperty("--natural", Math.ceil((10 * width) / parseFloat(getComputedStyle(formula).fontSize) + 4) / 10);
}

/** Let an inline formula that is wider than its line scroll; the others stay part of the text. */
function boxInlineFormula(formula) {
  formula.classList.remove("scrolls");
  const room = formula.parentElement.clientWidth;
  const parts = [...formula.querySelectorAll(".katex-html > .base")];
  if (room && parts.some((part) => part.getBoundingClientRect().width > room)) formula.classList.add("scrolls");
}

function update(box, label) {
  if (box.matches(".math-scroll")) noteNaturalWidth(box);
  if (box.matches("span.math")) boxInlineFormula(box);
  const inline = box.matches("span.math") && !box.classList.contains("scrolls");
  if (!inline && box.scrollWidth > box.clientWidth) {
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", label);
  } else {
    for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
  }
}

function updateAll() {
  for (const [selector, label] of Object.entries(BOXES)) {
    for (const box of document.querySelectorAll(selector)) update(box, label);
  }
}

updateAll();
document.fonts.ready.then(updateAll);
const article = document.querySelector(".bd-article");
if (article) new ResizeObserver(updateAll).observe(article); // also when a solution opens or closes
