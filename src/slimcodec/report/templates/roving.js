// A figure with many marks is one stop of Tab; arrow keys go from mark to mark within it, along a
// line of marks and, where it is nearest, to the next line. Without this script every mark is a stop.
const ALONG = { ArrowLeft: -1, ArrowRight: 1 };
const ACROSS = { ArrowUp: -1, ArrowDown: 1 };

function linesOf(figure) {
  const lines = [...figure.querySelectorAll("[data-line]")].filter((line) => !line.matches(".off"));
  return lines.map((line) => [...line.querySelectorAll("[data-tip][tabindex]")]).filter((marks) => marks.length);
}

function setStop(figure, mark) {
  for (const each of figure.querySelectorAll("[data-tip][tabindex]")) each.tabIndex = each === mark ? 0 : -1;
}

function nearest(marks, mark) {
  const middle = (each) => {
    const box = each.getBoundingClientRect();
    return box.left + box.width / 2;
  };
  const wanted = middle(mark);
  return marks.reduce((best, each) => (Math.abs(middle(each) - wanted) < Math.abs(middle(best) - wanted) ? each : best));
}

function markFrom(figure, mark, key) {
  const lines = linesOf(figure);
  const row = lines.findIndex((marks) => marks.includes(mark));
  if (row < 0) return null;
  const line = lines[row];
  if (key in ALONG) return line[line.indexOf(mark) + ALONG[key]] ?? mark;
  if (key in ACROSS) return nearest(lines[(row + ACROSS[key] + lines.length) % lines.length], mark);
  if (key === "Home") return line[0];
  return key === "End" ? line.at(-1) : null;
}

// The stop stays among marks that are shown.
function keepStop(figure) {
  const marks = linesOf(figure).flat();
  if (marks.length && !marks.some((mark) => mark.tabIndex === 0)) setStop(figure, marks[0]);
}

for (const figure of document.querySelectorAll("[data-roving]")) {
  const first = linesOf(figure)[0]?.[0];
  if (first) setStop(figure, first);
  figure.addEventListener("keydown", (event) => {
    const next = markFrom(figure, event.target, event.key);
    if (!next) return;
    event.preventDefault();
    setStop(figure, next);
    next.focus();
  });
}
