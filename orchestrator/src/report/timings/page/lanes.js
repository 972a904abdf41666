// The lanes below the rows: values over time, all on the same axis. Changes nothing but pixels.
//
// A lane has series. An area may stand on another one, so that both together are a sum; a line has only its height. Beside the lane
// stands what each came to at the most, or what it was under the pointer.

const STEP = 14; // pixels from line to line of the words beside a lane

// A value holds until the next one; before the first there was none.
function seriesOf(key, name, colour, say, more = {}) {
  const points = DATA.lanes[key];
  if (points.length > 0 && points[0] > 0) points.unshift(0, more.holds ? points[1] : 0);
  return { name, colour, say, points, kind: "area", ...more };
}

const whole = (value) => value.toLocaleString("en");
const share = (value) => `${value} %`;
const LANES = [
  {
    name: "slots in use",
    height: 54,
    top: () => DATA.jobs,
    line: () => DATA.jobs,
    series: [
      seriesOf("tokens", "", "lane", (v) => `${v} of ${DATA.jobs}`),
      seriesOf("short", "no memory", "short", whole, { on: 0, striped: true }),
    ],
  },
  {
    name: "units waiting",
    height: 54,
    top: () => 4,
    series: [
      seriesOf("waitSlot", "for a slot", "soft", whole),
      seriesOf("waitMemory", "for memory", "short", whole, { on: 0, striped: true }),
    ],
  },
  { name: "jobs stopped", height: 54, top: () => 4, series: [seriesOf("stopped", "", "short", whole)] },
  {
    name: "memory",
    height: 92,
    top: () => 1 << 20,
    marks: DATA.kills,
    series: [
      seriesOf("memory", "used", "lane", bytes),
      seriesOf("leases", "leases", "lease", bytes, { kind: "line" }),
      seriesOf("budget", "limit", "text", bytes, { kind: "dashes", holds: true }),
    ],
  },
  {
    name: "memory pressure",
    height: 54,
    top: () => 10,
    series: [
      seriesOf("pressureSome", "some", "some", share),
      seriesOf("pressureFull", "all", "short", share),
    ],
  },
  { name: "live modules", height: 54, top: () => 4, series: [seriesOf("modules", "", "lane", whole)] },
  {
    name: "CPU",
    height: 54,
    top: () => DATA.jobs * 1000,
    line: () => DATA.jobs * 1000,
    ends: true, // with its last sample
    series: [seriesOf("cpu", "", "lane", (v) => `${(v / 1000).toFixed(1)} cores`)],
  },
];

// The sum of two series, which changes where either does.
function sumOf(a, b) {
  const sum = [];
  let [i, j, first, second] = [0, 0, 0, 0];
  while (i < a.length || j < b.length) {
    const time = Math.min(i < a.length ? a[i] : Infinity, j < b.length ? b[j] : Infinity);
    if (a[i] === time) first = a[(i += 2) - 1];
    if (b[j] === time) second = b[(j += 2) - 1];
    sum.push(time, first + second);
  }
  return sum;
}

function values(points, choose, from) {
  return points.reduce((found, value, n) => (n % 2 ? choose(found, value) : found), from);
}

// Series and lanes without a point are left out; what never changes is found once.
const SHOWN = LANES.map((lane) => ({ ...lane, series: lane.series.map((one) => ({ ...one, lane })).filter((one) => one.points.length > 0) })).filter(
  (lane) => lane.series.length > 0,
);
for (const lane of SHOWN) {
  for (const one of lane.series) {
    one.most = values(one.points, Math.max, 0);
    const below = one.on === undefined ? undefined : lane.series.find((other) => other !== one);
    one.below = below && below.points;
    one.drawn = one.below ? sumOf(one.below, one.points) : one.points;
  }
  const used = lane.series.filter((one) => one.kind !== "dashes");
  const most = Math.max(lane.top(), ...used.map((one) => values(one.drawn, Math.max, 0)));
  // A limit that is far above would press all else to the ground.
  const limits = lane.series.filter((one) => one.kind === "dashes").map((one) => values(one.points, Math.max, 0));
  const near = limits.filter((limit) => limit <= most * 3);
  for (const one of lane.series) one.far = one.kind === "dashes" && near.length === 0;
  lane.highest = Math.max(most, ...near) * 1.04;
}

// Where each lane begins, and behind the last one.
const LANE_TOPS = SHOWN.reduce((tops, lane) => [...tops, tops[tops.length - 1] + lane.height], [0]);

function drawLanes() {
  const height = LANE_TOPS[SHOWN.length];
  const ctx = surface($("lanes"), scene.width, Math.max(1, height));
  SHOWN.forEach((lane, n) => {
    ctx.save();
    ctx.translate(0, LANE_TOPS[n]);
    drawLane(ctx, lane);
    ctx.restore();
  });
  drawCursor(ctx, height);
  drawSelection(ctx, height, xOf);
}

function drawCursor(ctx, height) {
  if (scene.cursor < 0) return;
  const x = Math.round(xOf(scene.cursor)) + 0.5;
  ctx.strokeStyle = scene.colours.soft;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(x, 0);
  ctx.lineTo(x, height);
  ctx.stroke();
}

function drawLane(ctx, lane) {
  const colours = scene.colours;
  const [top, bottom] = [8, lane.height - 2];
  const y = (value) => bottom - (value / lane.highest) * (bottom - top);
  nameLane(ctx, lane);
  ctx.beginPath();
  ctx.rect(GUTTER, 0, plotWidth() + 1, lane.height);
  ctx.clip();
  ctx.fillStyle = colours.band;
  ctx.fillRect(GUTTER, top - 4, plotWidth(), bottom - top + 4);
  drawGrid(ctx, lane.height);
  for (const one of lane.series) {
    if (one.kind === "area") drawArea(ctx, one, y);
    else if (!one.far) drawLine(ctx, one, y);
  }
  if (lane.line) {
    const limit = Math.round(y(lane.line())) + 0.5;
    dashed(ctx, [[GUTTER, limit], [GUTTER + plotWidth(), limit]]);
  }
  for (const mark of lane.marks || []) drawMark(ctx, xOf(mark[0]), top, bottom);
}

// What a series came to, or came to under the pointer.
function valueOf(one) {
  if (scene.cursor < 0) return one.most;
  const at = laneAt(one.points, scene.cursor);
  return at < 0 ? 0 : one.points[at * 2 + 1];
}

function nameLane(ctx, lane) {
  const colours = scene.colours;
  ctx.textAlign = "left";
  ctx.fillStyle = colours.text;
  ctx.fillText(lane.name, 8, 15);
  lane.series.forEach((one, n) => {
    const middle = 15 + STEP * (n + 1);
    const said = `${one.say(valueOf(one))}${one.far ? " \u2191" : ""}`;
    if (!one.name) {
      ctx.fillStyle = colours.soft;
      ctx.fillText(scene.cursor < 0 ? `most ${said}` : said, 8, middle);
      return;
    }
    drawKey(ctx, one, 8, middle);
    ctx.fillStyle = colours.soft;
    ctx.fillText(one.name, 23, middle);
    ctx.textAlign = "right";
    ctx.fillText(said, GUTTER - 6, middle);
    ctx.textAlign = "left";
  });
}

// How a series looks, in little.
function drawKey(ctx, one, x, middle) {
  if (one.kind === "area") {
    fillArea(ctx, one, () => ctx.fillRect(x, middle - 5, 11, 9));
    return;
  }
  ctx.save();
  stroke(ctx, one, () => {
    ctx.moveTo(x, middle - 0.5);
    ctx.lineTo(x + 12, middle - 0.5);
  });
  ctx.restore();
}

function stroke(ctx, one, trace) {
  ctx.strokeStyle = scene.colours[one.colour];
  ctx.lineWidth = one.kind === "dashes" ? 1 : 1.75;
  ctx.setLineDash(one.kind === "dashes" ? [4, 3] : []);
  ctx.beginPath();
  trace();
  ctx.stroke();
  ctx.setLineDash([]);
}

function fillArea(ctx, one, fill) {
  ctx.globalAlpha = one.striped ? 0.65 : 0.34;
  ctx.fillStyle = scene.colours[one.colour];
  fill();
  ctx.globalAlpha = 1;
  if (one.striped) {
    ctx.fillStyle = striped(ctx);
    fill();
  }
}

// The corners of a series in the part that is shown.
function corners(one, points, y) {
  const end = one.lane.ends ? points[points.length - 2] : DURATION;
  const first = Math.max(0, laneAt(points, scene.from));
  let [x, value] = [xOf(Math.max(scene.from, points[first * 2])), points[first * 2 + 1]];
  const found = [[x, y(value)]];
  for (let n = first + 1; n * 2 < points.length; n++) {
    const time = points[n * 2];
    if (time > scene.to) break;
    x = xOf(time);
    found.push([x, y(value)]);
    value = points[n * 2 + 1];
    found.push([x, y(value)]);
  }
  found.push([Math.max(x, xOf(Math.min(scene.to, end))), y(value)]);
  return found;
}

function drawArea(ctx, one, y) {
  const above = corners(one, one.drawn, y);
  const ground = [above[0], above[above.length - 1]].map(([x]) => [x, y(0)]);
  const below = one.below ? corners(one, one.below, y) : ground;
  const area = new Path2D();
  for (const [x, height] of above) area.lineTo(x, height);
  for (const [x, height] of below.reverse()) area.lineTo(x, height);
  fillArea(ctx, one, () => ctx.fill(area));
  if (one.striped) return;
  ctx.strokeStyle = scene.colours[one.colour];
  ctx.lineWidth = 1.25;
  ctx.beginPath();
  for (const [x, height] of above) ctx.lineTo(x, height);
  ctx.stroke();
}

function drawLine(ctx, one, y) {
  stroke(ctx, one, () => {
    for (const [x, height] of corners(one, one.points, y)) ctx.lineTo(x, height);
  });
}

function dashed(ctx, line) {
  ctx.strokeStyle = scene.colours.text;
  ctx.setLineDash([4, 3]);
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (const [x, y] of line) ctx.lineTo(x, y);
  ctx.stroke();
  ctx.setLineDash([]);
}

// A kill: a line from top to bottom with a cross on it.
function drawMark(ctx, x, top, bottom) {
  ctx.strokeStyle = scene.colours.bad;
  ctx.lineWidth = 1.5;
  ctx.beginPath();
  ctx.moveTo(x, top + 10);
  ctx.lineTo(x, bottom);
  for (const side of [-4, 4]) {
    ctx.moveTo(x - side, top - 2);
    ctx.lineTo(x + side, top + 6);
  }
  ctx.stroke();
}

// The kill near a place on the lanes, or null.
function killAt(x, y) {
  const lane = SHOWN.findIndex((_, n) => y >= LANE_TOPS[n] && y < LANE_TOPS[n + 1]);
  const marks = (lane >= 0 && SHOWN[lane].marks) || [];
  return marks.find(([time]) => Math.abs(xOf(time) - x) <= 5) || null;
}
