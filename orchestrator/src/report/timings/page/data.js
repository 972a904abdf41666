// The data of the page, unpacked into arrays that are quick to look through. Knows no elements but the one that holds it.
// Times are microseconds since the build started. A "bar" is one phase on one job slot, known by its number.

const DATA = JSON.parse(document.getElementById("data").textContent);
const CUT_OFF = DATA.phases.length - 1;
const ROWS = DATA.bars.length; // as many as there were bars at once
const DURATION = Math.max(1, DATA.duration);

// Bars lie row by row, by start; those of a row do not overlap, so they are sorted by end too.
const BARS = (() => {
  const n = DATA.bars.reduce((sum, row) => sum + row.length / 7, 0);
  const bars = {
    n,
    start: new Float64Array(n),
    end: new Float64Array(n),
    unit: new Int32Array(n),
    phase: new Uint8Array(n),
    piece: new Int32Array(n), // -1: the unit is whole
    source: new Int32Array(n), // -1: the unit's own code
    row: new Int32Array(n),
    place: new Int32Array(n), // worker and slot
    critical: new Uint8Array(n),
    first: [], // of each row, and behind the last one
  };
  let at = 0;
  DATA.bars.forEach((row, r) => {
    bars.first.push(at);
    let start = 0;
    for (let i = 0; i < row.length; i += 7, at++) {
      start += row[i];
      bars.start[at] = start;
      bars.end[at] = start + row[i + 1];
      bars.unit[at] = row[i + 2];
      bars.phase[at] = row[i + 3];
      bars.piece[at] = row[i + 4] - 1;
      bars.source[at] = row[i + 5] - 1;
      bars.place[at] = row[i + 6];
      bars.row[at] = r;
    }
  });
  bars.first.push(at);
  for (const [bar] of DATA.critical) bars.critical[bar] = 1;
  return bars;
})();

const UNITS = DATA.units.map(
  ([crate, label, kind, start, end, outcome, reason, peak, lease, waits, runs], number) => ({
    number,
    crate: DATA.crates[crate],
    label,
    file: kind === "generate" ? label : label.slice(label.lastIndexOf("/") + 1), // a command, or a file
    kind,
    start,
    end,
    outcome,
    reason: DATA.reasons[reason],
    peak,
    lease, // what it was expected to need when it began
    waits, // [from, until], for memory also what was needed, what was free, and for whom that is kept
    runs,
    ran: start >= 0,
    wall: start >= 0 && end >= 0 ? end - start : 0,
    waited: waits.reduce((sum, [from, until]) => sum + until - from, 0),
    short: waits.reduce((sum, [from, until, need]) => sum + (need === undefined ? 0 : until - from), 0), // of memory
    bars: [],
    busy: 0, // all phases, also those at once
    stalled: 0, // between start and end, while nothing of it ran
    pieces: 0,
    phases: new Float64Array(DATA.phases.length),
    critical: 0,
  }),
);

(() => {
  for (let bar = 0; bar < BARS.n; bar++) {
    const unit = UNITS[BARS.unit[bar]];
    const time = BARS.end[bar] - BARS.start[bar];
    unit.bars.push(bar);
    unit.busy += time;
    unit.phases[BARS.phase[bar]] += time;
    if (BARS.critical[bar]) unit.critical += time;
  }
  for (const unit of UNITS) {
    unit.bars.sort((a, b) => BARS.start[a] - BARS.start[b]);
    const pieces = new Set();
    let covered = unit.start;
    for (const bar of unit.bars) {
      if (BARS.piece[bar] >= 0) pieces.add(BARS.source[bar] + "/" + BARS.piece[bar]);
      if (BARS.start[bar] > covered && covered >= unit.start) unit.stalled += BARS.start[bar] - covered;
      covered = Math.max(covered, BARS.end[bar]);
    }
    unit.pieces = pieces.size;
  }
})();

// The first bar of a row that ends after `time`, or the one behind the row's last.
function barAfter(row, time) {
  let low = BARS.first[row];
  let high = BARS.first[row + 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (BARS.end[middle] > time) high = middle;
    else low = middle + 1;
  }
  return low;
}

// The index of the pair of a lane that holds at `time`, or -1 before the first.
function laneAt(points, time) {
  let low = 0;
  let high = points.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle * 2] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

// Where a bar ran.
function placeName(bar) {
  const [worker, slot] = DATA.places[BARS.place[bar]];
  return worker < 0 ? "a command" : `worker ${worker}, slot ${slot}`;
}

// Long commands and paths without their middle.
function shortened(text, most) {
  if (text.length <= most) return text;
  const end = Math.floor(most / 3);
  return `${text.slice(0, most - end - 1)}…${text.slice(-end)}`;
}

// `a.c`, or `a.c, piece 3`, or `backend of b.c, piece 3, for app`.
function barName(bar) {
  const unit = UNITS[BARS.unit[bar]];
  const piece = BARS.piece[bar] < 0 ? "" : `, piece ${BARS.piece[bar]}`;
  if (BARS.source[bar] < 0) return unit.label + piece;
  return `${DATA.sources[BARS.source[bar]]}${piece}, for ${unit.label}`;
}

function seconds(us) {
  const s = us / 1e6;
  if (s >= 60) return `${Math.floor(s / 60)}m ${String(Math.floor(s % 60)).padStart(2, "0")}s`;
  if (s >= 10) return `${s.toFixed(1)} s`;
  if (s >= 1) return `${s.toFixed(2)} s`;
  if (us >= 1000) return `${(us / 1000).toFixed(us >= 1e5 ? 0 : 1)} ms`;
  return us > 0 ? `${Math.round(us)} µs` : "0";
}

function bytes(n) {
  if (n < 1024) return `${n} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let unit = -1;
  do {
    n /= 1024;
    unit++;
  } while (n >= 1024 && unit + 1 < units.length);
  return `${n.toFixed(n >= 100 ? 0 : 1)} ${units[unit]}`;
}

function percent(part, whole) {
  return whole > 0 ? `${Math.round((part / whole) * 100)} %` : "";
}

function count(n, noun) {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}
