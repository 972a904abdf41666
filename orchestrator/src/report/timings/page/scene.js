// What is shown: the stretch of time, the unit that is marked, the search, the colours. Knows how time becomes place, and draws
// nothing.

const $ = (id) => document.getElementById(id);

const GUTTER = 118; // pixels for the names of rows
const RIGHT = 16; // room for a scroll bar
const MIN_SPAN = Math.min(DURATION, 20); // microseconds: nothing is shorter

const scene = {
  from: 0,
  to: DURATION,
  width: 800, // of the canvases
  height: 0, // of all rows
  viewport: 0, // of what is visible of them
  rowHeight: 18,
  rowTop: [],
  hover: -1, // bar
  marked: -1, // unit
  cursor: -1, // time under the pointer
  select: null, // [from, to]: being dragged
  matches: null, // for each unit whether it is found; null: no search
  showCritical: true,
  colours: null,
};

function layOut() {
  const n = ROWS;
  scene.rowHeight = n <= 8 ? 26 : n <= 20 ? 21 : n <= 48 ? 16 : 12;
  scene.rowTop = [];
  let top = 2;
  for (let row = 0; row < n; row++) {
    scene.rowTop.push(top);
    top += scene.rowHeight;
  }
  scene.height = top + 2;
}

const plotWidth = () => Math.max(50, scene.width - GUTTER - RIGHT);
const span = () => scene.to - scene.from;
const xOf = (time) => GUTTER + ((time - scene.from) / span()) * plotWidth();
const timeOf = (x) => scene.from + ((x - GUTTER) / plotWidth()) * span();

function show(from, to) {
  let length = Math.min(DURATION, Math.max(MIN_SPAN, to - from));
  let start = Math.min(Math.max(0, from), DURATION - length);
  if (to - from < length) start = Math.min(Math.max(0, (from + to - length) / 2), DURATION - length);
  scene.from = start;
  scene.to = start + length;
  redraw();
}

// Around the time that shall stay where it is.
function zoom(factor, around = (scene.from + scene.to) / 2) {
  const length = Math.min(DURATION, Math.max(MIN_SPAN, span() * factor));
  const share = (around - scene.from) / span();
  show(around - share * length, around + (1 - share) * length);
}

function pan(share) {
  show(scene.from + share * span(), scene.to + share * span());
}

function showUnit(unit) {
  if (!unit.ran) return;
  const length = Math.max(unit.wall, MIN_SPAN);
  show(unit.start - length * 0.15, unit.start + length * 1.15);
}

// The row at this height, or -1.
function rowAt(y) {
  for (let row = 0; row < ROWS; row++) {
    if (y >= scene.rowTop[row] && y < scene.rowTop[row] + scene.rowHeight) return row;
  }
  return -1;
}

// The bar there, or one at most two pixels away, or -1.
function barAt(x, y) {
  const row = rowAt(y);
  if (row < 0 || x < GUTTER) return -1;
  const time = timeOf(x);
  const near = (2 / plotWidth()) * span();
  const bar = barAfter(row, time - near);
  if (bar >= BARS.first[row + 1]) return -1;
  const next = bar + 1;
  if (next < BARS.first[row + 1] && BARS.end[bar] < time && BARS.start[next] <= time) return next;
  return BARS.start[bar] <= time + near ? bar : -1;
}

// The bar of the critical path there, or -1. The path is sorted by time.
function pathAt(x) {
  const time = timeOf(x);
  const near = (2 / plotWidth()) * span();
  const found = DATA.critical.find(([bar]) => BARS.end[bar] >= time - near);
  return x >= GUTTER && found && BARS.start[found[0]] <= time + near ? found[0] : -1;
}

function search(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) {
    scene.matches = null;
    return;
  }
  scene.matches = UNITS.map((unit) => {
    const name = `${unit.crate} ${unit.label}`.toLowerCase();
    return words.every((word) => name.includes(word));
  });
}

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  const phases = DATA.phases.map((_, n) => get(`--phase-${n}`));
  scene.colours = {
    phases,
    ink: phases.map(inkOn),
    page: get("--page"),
    panel: get("--panel"),
    band: get("--band"),
    grid: get("--grid"),
    text: get("--text"),
    soft: get("--soft"),
    dim: get("--dim"),
    accent: get("--accent"),
    lane: get("--lane"),
    lease: get("--lease"),
    some: get("--some"),
    short: get("--short"),
    bad: get("--bad"),
  };
}

// Black or white, whichever is easier to read on the colour `#rrggbb`.
function inkOn(colour) {
  const channel = (at) => {
    const value = parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
  return luminance > 0.18 ? "#000000" : "#ffffff";
}

// Phases that are also told apart by stripes: those whose colours are closest to others'.
const STRIPED = new Set(["serialise", "join", "archive", "generate", DATA.phases[CUT_OFF]]);
