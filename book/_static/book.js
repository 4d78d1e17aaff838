// Formulas, code and tables that are wider than the column scroll inside their own box. While one scrolls it can be
// reached by keyboard and says what it is; while it does not, it is no stop on the way.
(() => {
  const BOXES = {
    ".math-scroll": "Formula, scrolls sideways",
    "span.math.scrolls": "Formula, scrolls sideways",
    "pre": "Code, scrolls sideways",
    ".cell_output .output": "Output, scrolls sideways",
    ".pst-scrollable-table-container": "Table, scrolls sideways",
  };

  const text = document.querySelector(".bd-article");
  const parts = (formula) => [...formula.querySelectorAll(".katex-html > .base")].map((part) => part.getBoundingClientRect().width);

  /** Return the displayed formula's width in em: with it the style sheet shrinks a wide one on paper and on a phone. */
  function naturalWidth(box) {
    const size = parseFloat(getComputedStyle(box.querySelector(".katex-display")).fontSize);
    return Math.ceil((10 * parts(box).reduce((sum, width) => sum + width, 0)) / size + 4) / 10;
  }

  /** Say whether an inline formula is wider than its line; the others stay part of the text. */
  function isTooWide(formula) {
    return parts(formula).some((width) => width > formula.parentElement.clientWidth);
  }

  function label(box, scrolls, name) {
    if (scrolls) {
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", name);
    } else if (box.hasAttribute("aria-label")) {
      for (const attribute of ["tabindex", "role", "aria-label"]) box.removeAttribute(attribute);
    }
  }

  /** Measure all, then change all, twice: a change between two measurements would lay the page out anew each time. */
  function update() {
    const shown = (selector) => [...text.querySelectorAll(selector)].filter((box) => box.getClientRects().length);
    const formulas = shown(".math-scroll").map((box) => [box, naturalWidth(box)]);
    const inline = shown("span.math").map((formula) => [formula, isTooWide(formula)]);
    for (const [box, width] of formulas) box.style.setProperty("--natural", width);
    for (const [formula, wide] of inline) formula.classList.toggle("scrolls", wide);
    const boxes = Object.entries(BOXES).flatMap(([selector, name]) =>
      shown(selector).map((box) => [box, box.scrollWidth > box.clientWidth, name]));
    for (const [box, scrolls, name] of boxes) label(box, scrolls, name);
  }

  if (text) {
    new ResizeObserver(update).observe(text); // at once, and when the window changes or a solution opens
    document.fonts.ready.then(update);
  }
})();
