"use strict";
// Draws one panel of the live page on its canvas; see live.js for where the numbers come from.

const REACH = 1.959963984540054; // standard deviations that hold 95 % of a normal law
const USED = new Set([0, 2]); // verdicts

function ends(kind, cell) {
  return kind === "learned" ? [cell.l, cell.m, cell.h] : [cell.m - REACH * cell.s, cell.m, cell.m + REACH * cell.s];
}

function paint(one, first, end, ink) {
  const { canvas, panel } = one, scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const cells = [];
  for (const t of page.times) {
    const cell = page.rows.get(t).p[one.key];
    if (cell) cells.push([t, cell, ends(panel.kind, cell)]);
  }
  const letter = Math.max(11, Math.min(17, width / 42)); // a wall is read from afar
  pen.font = letter + "px Helvetica Neue, Helvetica, Arial, sans-serif";
  if (!cells.length) {
    pen.fillStyle = ink("soft");
    pen.textAlign = "center";
    pen.fillText("nothing read yet", width / 2, height / 2);
    return;
  }
  const strip = panel.kind === "reading" ? Math.min(56, height * 0.26) : 0, foot = height - 2 * letter;
  const box = {
    left: 4.7 * letter, right: width - 10, top: panel.kind === "reading" ? 8 : 1.8 * letter,
    bottom: foot - (strip ? strip + 1.9 * letter : 0),
  };
  const span = end > first ? end - first : 1;
  const x = (t) => box.left + (box.right - box.left) * (end > first ? (t - first) / span : 0.5);
  const [low, high] = reach(panel, cells);
  const y = (v) => box.bottom - (box.bottom - box.top) * (v - low) / (high - low);
  axes(pen, box, x, y, first, end, low, high, height, ink);
  snapshots(pen, box, x, one, strip ? foot : box.bottom, ink);
  if (panel.expected !== null && panel.expected !== undefined) dashed(pen, box, y(panel.expected), ink("out"));
  if (panel.snapshot || cells.length === 1) bars(pen, cells, x, y, ink);
  else band(pen, cells, box, x, y, ink);
  if (panel.kind === "reading") {
    points(pen, cells, x, (v) => Math.max(box.top, Math.min(box.bottom, y(v))), ink);
    innovations(pen, cells, { left: box.left, right: box.right, top: foot - strip, bottom: foot }, x, ink);
  }
  readout(one, cells, pen, box, x, ink);
}

function reach(panel, cells) {
  const seen = [];
  for (const [, cell, [low, , high]] of cells) {
    seen.push(low, high);
    for (const [value] of cell.r || []) if (value !== null) seen.push(value);
  }
  if (panel.expected !== null && panel.expected !== undefined) seen.push(panel.expected);
  // The first few laws are wide as the prior is: they must not flatten the rest for ever.
  seen.sort((a, b) => a - b);
  const cut = seen.length > 60 ? Math.floor(seen.length * 0.01) : 0;
  let low = seen[cut], high = seen[seen.length - 1 - cut];
  if (!(high > low)) [low, high] = [low - Math.abs(low || 1) * 0.1, high + Math.abs(high || 1) * 0.1];
  const room = (high - low) * 0.06;
  return [low - room, high + room];
}

function ticks(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const made = [];
  for (let k = Math.ceil(low / step); k * step <= high; k += 1) made.push(k * step);
  return made;
}

function axes(pen, box, x, y, first, end, low, high, height, ink) {
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const v of ticks(low, high, 4)) {
    line(pen, box.left, y(v), box.right, y(v), ink("grid"), 1);
    pen.fillStyle = ink("soft");
    pen.fillText(short(v), box.left - 6, y(v));
  }
  pen.textBaseline = "alphabetic";
  pen.textAlign = "center";
  const unit = page.about.time[1];
  let marks = [first];
  for (let most = Math.max(2, Math.floor((box.right - box.left) / 90)); end > first && marks.length < 2; most += 1)
    marks = ticks(first, end, most);
  marks.forEach((t, k) => {
    const words = short(t) + (k === marks.length - 1 && unit && unit !== "1" ? " " + unit : "");
    const half = pen.measureText(words).width / 2;
    pen.fillStyle = ink("soft");
    pen.fillText(words, Math.min(x(t), box.right + 8 - half), height - 6);
  });
}

function line(pen, x1, y1, x2, y2, colour, width, dash) {
  pen.beginPath();
  pen.setLineDash(dash || []);
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
  pen.setLineDash([]);
}

function dashed(pen, box, height, colour) {
  if (height < box.top || height > box.bottom) return;
  const row = Math.round(height); // whole pixels: between two rows the line would be pale in both
  line(pen, box.left, row, box.right, row, colour, 2, [6, 5]);
}

function clipped(pen, box, paintInside) {
  pen.save();
  pen.beginPath();
  pen.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  pen.clip();
  paintInside();
  pen.restore();
}

// What comes rarely is not joined: nobody looked in between.
function bars(pen, cells, x, y, ink) {
  for (const [t, , [low, middle, high]] of cells) {
    line(pen, x(t), y(low), x(t), y(high), ink("band"), 9);
    line(pen, x(t) - 7, y(middle), x(t) + 7, y(middle), ink("blue"), 2.2);
  }
}

function band(pen, cells, box, x, y, ink) {
  clipped(pen, box, () => {
    pen.beginPath();
    cells.forEach(([t, , [, , high]]) => pen.lineTo(x(t), y(high)));
    for (let k = cells.length - 1; k >= 0; k -= 1) pen.lineTo(x(cells[k][0]), y(cells[k][2][0]));
    pen.closePath();
    pen.fillStyle = ink("band");
    pen.fill();
    pen.beginPath();
    cells.forEach(([t, , [, middle]]) => pen.lineTo(x(t), y(middle)));
    pen.strokeStyle = ink("blue");
    pen.lineWidth = 1.8;
    pen.lineJoin = "round";
    pen.stroke();
  });
}

function points(pen, cells, x, y, ink) {
  const radius = cells.length > 400 ? 1.5 : cells.length > 120 ? 2 : 2.8;
  for (const [t, cell] of cells)
    for (const [value, verdict] of cell.r) {
      if (value === null) continue;
      if (USED.has(verdict)) dot(pen, x(t), y(value), radius, ink("data"));
      else {
        line(pen, x(t) - 4, y(value) - 4, x(t) + 4, y(value) + 4, ink("out"), 1.8);
        line(pen, x(t) - 4, y(value) + 4, x(t) + 4, y(value) - 4, ink("out"), 1.8);
      }
    }
}

function dot(pen, x, y, radius, colour) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fillStyle = colour;
  pen.fill();
}

// Innovations in their own standard deviations, with the band that holds 95 % of them if the filter is right.
function innovations(pen, cells, box, x, ink) {
  const middle = (box.top + box.bottom) / 2, unit = (box.bottom - box.top) / 8;
  pen.fillStyle = ink("band");
  pen.fillRect(box.left, middle - REACH * unit, box.right - box.left, 2 * REACH * unit);
  line(pen, box.left, middle, box.right, middle, ink("line"), 1);
  pen.fillStyle = ink("soft");
  pen.textAlign = "left";
  pen.lineWidth = 4; // a snapshot's line must not cross the words
  pen.strokeStyle = ink("card");
  pen.strokeText("innovations, ± 2 sd", box.left, box.top - 5);
  pen.fillText("innovations, ± 2 sd", box.left, box.top - 5);
  const radius = cells.length > 400 ? 1.2 : 2;
  for (const [t, cell] of cells) {
    if (cell.i === null || !cell.j) continue;
    const sd = Math.max(-4, Math.min(4, cell.i / cell.j));
    dot(pen, x(t), middle - sd * unit, radius, Math.abs(sd) > REACH ? ink("out") : ink("blue"));
  }
}

// A snapshot is a mark over the whole height; where it said something of this quantity, by how much.
function snapshots(pen, box, x, one, bottom, ink) {
  let free = -Infinity;
  pen.textBaseline = "alphabetic";
  for (const t of page.times) {
    const row = page.rows.get(t);
    if (!row.x) continue;
    line(pen, Math.round(x(t)), box.top, Math.round(x(t)), bottom, ink("snap"), 2, [5, 4]);
    const cell = row.p[one.key];
    if (!cell || cell.q === undefined || cell.q === null) continue;
    const change = Math.abs(100 * (1 - cell.q));
    const words = change < 0.5 ? "< 1 %" : (cell.q < 1 ? "−" : "+") + change.toFixed(0) + " %";
    const half = pen.measureText(words).width / 2;
    const centre = Math.min(Math.max(x(t), box.left + half), box.right - half);
    if (centre - half < free + 4) continue;
    pen.textAlign = "center";
    pen.fillStyle = ink("snap");
    pen.fillText(words, centre, box.top - 6);
    free = centre + half;
  }
}

function readout(one, cells, pen, box, x, ink) {
  let chosen = cells[cells.length - 1];
  if (page.hover !== null) {
    const where = page.hover * one.canvas.clientWidth;
    for (const cell of cells) if (Math.abs(x(cell[0]) - where) < Math.abs(x(chosen[0]) - where)) chosen = cell;
    line(pen, x(chosen[0]), box.top, x(chosen[0]), box.bottom, ink("soft"), 1);
  }
  const [t, , [low, middle, high]] = chosen, small = document.createElement("small");
  small.textContent = short(low, high - low) + " to " + short(high, high - low) + (page.hover === null ? "" : " at " + short(t));
  one.output.replaceChildren(document.createTextNode(short(middle, high - low)), small);
  one.canvas.setAttribute("aria-label", one.panel.title + ": " + short(middle, high - low) + " " + one.panel.unit + ", 95 % " + small.textContent);
}

// A number with as many digits as its spread supports.
function short(value, spread) {
  if (value === null || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(value)));
  if (size < -4 || size >= 6) return value.toExponential(2).replace("-", "−");
  const last = spread > 0 ? Math.floor(Math.log10(spread)) - 1 : size - 3;
  const text = value.toFixed(Math.max(0, Math.min(12, -last)));
  return (spread > 0 || !text.includes(".") ? text : text.replace(/\.?0+$/, "")).replace("-", "−");
}
