// Draws the scene on the canvases. Changes nothing but pixels.
//
// Bars narrower than two pixels are not drawn one by one: each column of pixels shows what share of its time every phase took,
// as a stack, so 100,000 bars cost as much as some thousand and a busy row looks busy.

let asked = false;
function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    drawAll();
  });
}

function drawAll() {
  drawOverview();
  drawAxis();
  drawPath();
  drawSlots();
  drawLanes();
}

const FONT = "11px system-ui, sans-serif";

// Sets the size of a canvas in CSS pixels, and gives a context that is drawn on in those.
function surface(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.height = `${height}px`;
    canvas.style.width = `${width}px`;
  }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  ctx.font = FONT;
  ctx.textBaseline = "middle";
  return ctx;
}

// Times at whole multiples of 1, 2 or 5, some hundred pixels apart.
function ticks() {
  const wanted = (span() / plotWidth()) * 90;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= wanted);
  const found = [];
  for (let n = Math.ceil(scene.from / step); n * step <= scene.to; n++) found.push(n * step);
  return { step, found };
}

function tickName(time, step) {
  if (step >= 1e6 && DURATION >= 12e7) {
    const s = Math.round(time / 1e6);
    return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
  }
  if (step >= 1000 || time === 0) {
    const digits = Math.max(0, Math.ceil(-Math.log10(step / 1e6) - 1e-9));
    return `${(time / 1e6).toFixed(digits)} s`;
  }
  return `${(time / 1000).toFixed(step < 100 ? 2 : 1)} ms`;
}

function drawAxis() {
  const height = 22;
  const ctx = surface($("axis"), scene.width, height);
  const { step, found } = ticks();
  ctx.textAlign = "center";
  for (const time of found) {
    const x = Math.round(xOf(time)) + 0.5;
    ctx.strokeStyle = scene.colours.soft;
    ctx.beginPath();
    ctx.moveTo(x, height - 5);
    ctx.lineTo(x, height);
    ctx.stroke();
    ctx.fillStyle = scene.colours.soft;
    const name = tickName(time, step);
    const half = ctx.measureText(name).width / 2;
    ctx.fillText(name, Math.min(Math.max(x, GUTTER + half - 4), scene.width - half - 2), height / 2 - 2);
  }
}

function drawGrid(ctx, height) {
  ctx.strokeStyle = scene.colours.grid;
  ctx.beginPath();
  for (const time of ticks().found) {
    const x = Math.round(xOf(time)) + 0.5;
    ctx.moveTo(x, 0);
    ctx.lineTo(x, height);
  }
  ctx.stroke();
}

function drawSelection(ctx, height, x) {
  if (!scene.select) return;
  const [a, b] = scene.select.map(x);
  ctx.globalAlpha = 0.2;
  ctx.fillStyle = scene.colours.accent;
  ctx.fillRect(Math.min(a, b), 0, Math.abs(b - a), height);
  ctx.globalAlpha = 1;
}

let stripes = null;
function striped(ctx) {
  if (!stripes) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const on = tile.getContext("2d");
    on.strokeStyle = "rgba(255, 255, 255, 0.55)";
    on.lineWidth = 2;
    for (const x of [-8, 0, 8]) {
      on.beginPath();
      on.moveTo(x - 1, 9);
      on.lineTo(x + 9, -1);
      on.stroke();
    }
    stripes = ctx.createPattern(tile, "repeat");
  }
  return stripes;
}

function fillBar(ctx, kind, x, y, width, height) {
  ctx.fillStyle = colourOf(kind);
  ctx.fillRect(x, y, width, height);
  if (width >= 4 && kind < FAILED && STRIPED.has(DATA.phases[kind])) {
    ctx.fillStyle = striped(ctx);
    ctx.fillRect(x, y, width, height);
  }
}

const KINDS = DATA.phases.length + 2; // phases, units that failed, and what the search does not find
const FAILED = KINDS - 2;
const DIM = KINDS - 1;

// How a bar is drawn.
function kindOf(bar) {
  const unit = BARS.unit[bar];
  if (scene.matches !== null && !scene.matches[unit]) return DIM;
  return UNITS[unit].outcome === "failed" ? FAILED : BARS.phase[bar];
}

function colourOf(kind) {
  if (kind === DIM) return scene.colours.dim;
  return kind === FAILED ? scene.colours.bad : scene.colours.phases[kind];
}

// Shares of columns of pixels. `flush` draws them as stacks and empties them.
class Columns {
  constructor(n) {
    this.n = n;
    this.shares = new Float32Array(n * KINDS);
    this.low = n;
    this.high = -1;
  }

  add(from, to, kind) {
    const first = Math.max(0, Math.floor(from));
    const last = Math.min(this.n - 1, Math.floor(to));
    for (let column = first; column <= last; column++) {
      const share = Math.min(to, column + 1) - Math.max(from, column);
      // What takes no time is still there.
      this.shares[column * KINDS + kind] += Math.max(share, 0.02);
    }
    if (first <= last) {
      this.low = Math.min(this.low, first);
      this.high = Math.max(this.high, last);
    }
  }

  flush(ctx, left, top, height, scale = 1) {
    for (let column = this.low; column <= this.high; column++) {
      const at = column * KINDS;
      let total = 0;
      for (let kind = 0; kind < KINDS; kind++) total += this.shares[at + kind];
      if (total === 0) continue;
      const whole = total * scale > 0.97 ? height / total : height * scale;
      let y = top + height;
      for (let kind = 0; kind < KINDS; kind++) {
        const part = this.shares[at + kind] * whole;
        if (part === 0) continue;
        ctx.fillStyle = colourOf(kind);
        y -= part;
        ctx.fillRect(left + column, y, 1, part);
      }
    }
    this.shares.fill(0, this.low * KINDS, (this.high + 1) * KINDS);
    this.low = this.n;
    this.high = -1;
  }
}

function drawSlots() {
  const height = Math.max(20, scene.viewport);
  const ctx = surface($("slots"), scene.width, height);
  const top = $("scroll").scrollTop;
  const colours = scene.colours;
  ctx.translate(0, -top);
  drawBands(ctx, top, height);
  ctx.save();
  ctx.beginPath();
  ctx.rect(GUTTER, top, plotWidth() + 1, height);
  ctx.clip();
  ctx.translate(0, top);
  drawGrid(ctx, height);
  ctx.translate(0, -top);
  const columns = new Columns(Math.ceil(plotWidth()) + 1);
  for (let row = 0; row < ROWS; row++) {
    const y = scene.rowTop[row];
    if (y + scene.rowHeight < top || y > top + height) continue;
    drawRow(ctx, row, y + 1, scene.rowHeight - 2, columns);
  }
  if (scene.showCritical) drawCritical(ctx);
  if (scene.marked >= 0) {
    ctx.strokeStyle = colours.accent;
    ctx.lineWidth = 2;
    for (const bar of UNITS[scene.marked].bars) outline(ctx, bar);
  }
  if (scene.hover >= 0) {
    ctx.strokeStyle = colours.text;
    ctx.lineWidth = 2;
    outline(ctx, scene.hover);
  }
  ctx.translate(0, top);
  drawSelection(ctx, height, xOf);
  ctx.restore();
}

function drawBands(ctx, top, height) {
  const colours = scene.colours;
  ctx.textAlign = "left";
  for (let row = 0; row < ROWS; row++) {
    const y = scene.rowTop[row];
    if (y + scene.rowHeight < top || y > top + height) continue;
    ctx.fillStyle = row % 2 === 0 ? colours.band : colours.panel;
    ctx.fillRect(0, y, scene.width - RIGHT, scene.rowHeight);
    ctx.fillStyle = colours.text;
    ctx.fillText(`slot ${row + 1}`, 8, y + scene.rowHeight / 2);
  }
}

function drawRow(ctx, row, y, height, columns) {
  const from = barAfter(row, scene.from);
  const last = BARS.first[row + 1];
  let to = from;
  while (to < last && BARS.start[to] < scene.to) to++;
  drawBars(ctx, range(from, to), y, height, columns);
}

function* range(from, to) {
  for (let n = from; n < to; n++) yield n;
}

function drawBars(ctx, bars, y, height, columns) {
  const texts = [];
  let named = -1; // unit whose name was written just before
  for (const bar of bars) {
    const from = Math.max(xOf(BARS.start[bar]), GUTTER - 2);
    const kind = kindOf(bar);
    // What failed often failed soon, and is to be seen all the same.
    const to = Math.max(Math.min(xOf(BARS.end[bar]), scene.width + 2), kind === FAILED ? from + 3 : 0);
    const unit = BARS.unit[bar];
    if (to - from < 2) {
      columns.add(from - GUTTER, to - GUTTER, kind);
      continue;
    }
    // Neighbours are kept apart by a line where there is room for one.
    const gap = to - from >= 4 ? 0.75 : 0;
    fillBar(ctx, kind, from, y, to - from - gap, height);
    if (kind !== DIM && to - from > 20 && height >= 10) {
      texts.push([bar, Math.max(from, GUTTER), to, named === unit && BARS.piece[bar] < 0]);
      named = unit;
    }
  }
  columns.flush(ctx, GUTTER, y, height);
  for (const [bar, from, to, again] of texts) nameBar(ctx, bar, from, to, y + height / 2, again);
}

// The file, with the number of the piece; on a bar that continues the one before, the phase alone.
function nameBar(ctx, bar, from, to, middle, again) {
  const unit = UNITS[BARS.unit[bar]];
  const phase = DATA.phases[BARS.phase[bar]];
  const source = BARS.source[bar] < 0 ? unit.file : DATA.sources[BARS.source[bar]].split("/").pop();
  const piece = BARS.piece[bar] < 0 ? "" : `#${BARS.piece[bar]}`;
  const room = to - from - 8;
  const whole = piece ? `${source} ${piece}` : source;
  const candidates = again ? [phase] : [`${whole}  ${phase}`, whole, shorten(ctx, whole, room)];
  const text = candidates.find((text) => text && ctx.measureText(text).width <= room);
  if (!text) return;
  const kind = kindOf(bar);
  if (STRIPED.has(phase) && kind !== FAILED) {
    ctx.fillStyle = colourOf(kind);
    ctx.fillRect(from + 2, middle - 7, ctx.measureText(text).width + 4, 14);
  }
  ctx.fillStyle = kind === FAILED ? inkOn(scene.colours.bad) : scene.colours.ink[kind];
  ctx.fillText(text, from + 4, middle + 0.5);
}

function shorten(ctx, text, room) {
  for (let length = Math.min(text.length - 1, Math.floor(room / 4)); length >= 3; length--) {
    const cut = `${text.slice(0, length)}…`;
    if (ctx.measureText(cut).width <= room) return cut;
  }
  return "";
}

function outline(ctx, bar) {
  if (BARS.end[bar] < scene.from || BARS.start[bar] > scene.to) return;
  const from = xOf(BARS.start[bar]);
  const width = Math.max(2, xOf(BARS.end[bar]) - from);
  ctx.strokeRect(from, scene.rowTop[BARS.row[bar]] + 1, width, scene.rowHeight - 2);
}

// The critical path as a row of its own: what it was spent on.
function drawPath() {
  const height = DATA.critical.length > 0 ? 24 : 1;
  const ctx = surface($("path"), scene.width, height);
  if (DATA.critical.length === 0) return;
  ctx.fillStyle = scene.colours.text;
  ctx.textAlign = "left";
  ctx.fillText("critical path", 8, height / 2);
  ctx.beginPath();
  ctx.rect(GUTTER, 0, plotWidth() + 1, height);
  ctx.clip();
  ctx.fillStyle = scene.colours.band;
  ctx.fillRect(GUTTER, 2, plotWidth(), height - 4);
  const columns = new Columns(Math.ceil(plotWidth()) + 1);
  drawBars(ctx, DATA.critical.map(([bar]) => bar).filter((bar) => BARS.end[bar] > scene.from && BARS.start[bar] < scene.to), 2, height - 4, columns);
  drawSelection(ctx, height, xOf);
}

// More lines than this from row to row only hide what they connect.
const MOST_CONNECTIONS = 150;

// A line below the bars of the path, and from the end of each to the start of the next.
function drawCritical(ctx) {
  ctx.fillStyle = ctx.strokeStyle = scene.colours.text;
  ctx.lineWidth = 1;
  const path = DATA.critical;
  const foot = (bar) => scene.rowTop[BARS.row[bar]] + scene.rowHeight - 2;
  const shown = path.filter(([bar]) => BARS.end[bar] >= scene.from && BARS.start[bar] <= scene.to);
  const connected = shown.length <= MOST_CONNECTIONS;
  ctx.beginPath();
  for (let n = 0; n < path.length; n++) {
    const bar = path[n][0];
    if (BARS.start[bar] > scene.to) break;
    if (n > 0 && connected && BARS.end[bar] >= scene.from) {
      const before = path[n - 1][0];
      const [x, y] = [xOf(BARS.end[before]), foot(before)];
      const [nextX, nextY] = [xOf(BARS.start[bar]), foot(bar)];
      if (y !== nextY || nextX - x > 3) {
        ctx.moveTo(x, y);
        ctx.lineTo(nextX, nextY);
      }
    }
    if (BARS.end[bar] < scene.from) continue;
    const from = xOf(BARS.start[bar]);
    ctx.fillRect(from, foot(bar) - 1.5, Math.max(1, xOf(BARS.end[bar]) - from), 3);
  }
  ctx.stroke();
}

let overview = null; // does not depend on the view, so it is added up once
function drawOverview() {
  const height = 40;
  const ctx = surface($("overview"), scene.width, height);
  const width = plotWidth();
  const x = (time) => GUTTER + (time / DURATION) * width;
  const plotHeight = height - 6;
  ctx.fillStyle = scene.colours.band;
  ctx.fillRect(GUTTER, 3, width, plotHeight);
  if (!overview || overview.width !== width || overview.matches !== scene.matches) {
    const columns = new Columns(Math.ceil(width) + 1);
    for (let bar = 0; bar < BARS.n; bar++) {
      const [from, to] = [BARS.start[bar], BARS.end[bar]].map((time) => (time / DURATION) * width);
      columns.add(from, to, kindOf(bar));
    }
    overview = { width, matches: scene.matches, shares: columns.shares.slice() };
  }
  const columns = new Columns(Math.ceil(width) + 1);
  columns.shares = overview.shares.slice();
  columns.low = 0;
  columns.high = columns.n - 1;
  columns.flush(ctx, GUTTER, 3, plotHeight, 1 / DATA.jobs);
  ctx.textAlign = "left";
  ctx.fillStyle = scene.colours.text;
  ctx.fillText("whole build", 8, height / 2);
  if (span() < DURATION) {
    const [from, to] = [x(scene.from), Math.max(x(scene.to), x(scene.from) + 2)];
    ctx.fillStyle = scene.colours.panel;
    ctx.globalAlpha = 0.72;
    ctx.fillRect(GUTTER, 3, from - GUTTER, plotHeight);
    ctx.fillRect(to, 3, GUTTER + width - to, plotHeight);
    ctx.globalAlpha = 1;
    ctx.strokeStyle = scene.colours.text;
    ctx.lineWidth = 1.5;
    ctx.strokeRect(from, 2, to - from, plotHeight + 2);
  }
}
