"use strict";
// What `lix predict` does to a picture before and after the network, number for number.

/**
 * For each of `to` places of an axis of `from` pixels: where its weights begin, and the weights as
 * whole numbers of 2^-precision. This is how PyTorch resizes bytes with antialiasing (bilinear, on
 * a processor with AVX2).
 */
function weightsOf(from, to) {
  const scale = from / to, support = Math.max(scale, 1);
  const spans = Array.from({length: to}, (_, place) => {
    const centre = scale * (place + 0.5);
    const first = Math.max(Math.trunc(centre - support + 0.5), 0);
    const last = Math.min(Math.trunc(centre + support + 0.5), from);
    const heights = [];
    for (let i = first; i < last; i++) heights.push(Math.max(0, 1 - Math.abs((i - centre + 0.5) / support)));
    const sum = heights.reduce((a, b) => a + b);
    return {first, weights: heights.map(height => height / sum)};
  });
  const largest = Math.max(...spans.map(span => Math.max(...span.weights)));
  let precision = 0;
  while (precision < 22 && Math.trunc(0.5 + largest * 2 ** (precision + 1)) < 1 << 15) precision++;
  for (const span of spans) span.weights = span.weights.map(weight => Math.trunc(weight * 2 ** precision + 0.5));
  return {precision, spans};
}

/** Bytes of [outer][from][inner] → [outer][to][inner]. */
function resizeAxis(bytes, outer, from, inner, to) {
  if (from === to) return bytes;
  const {precision, spans} = weightsOf(from, to), half = 1 << precision - 1;
  const result = new Uint8ClampedArray(outer * to * inner);
  let place = 0;
  for (let o = 0; o < outer; o++) for (const {first, weights} of spans) {
    const begin = (o * from + first) * inner;
    for (let i = 0; i < inner; i++) {
      let sum = half, at = begin + i;
      for (let w = 0; w < weights.length; w++, at += inner) sum += weights[w] * bytes[at];
      result[place++] = sum >> precision;
    }
  }
  return result;
}

/** RGBA bytes of a picture → the network's input at its height and width. */
function prepare(rgba, width, height, [rows, columns]) {
  const area = width * height;
  let planes = new Uint8Array(3 * area);
  for (let c = 0; c < 3; c++) for (let i = 0; i < area; i++) planes[c * area + i] = rgba[4 * i + c];
  planes = resizeAxis(planes, 3 * height, width, 1, columns);
  planes = resizeAxis(planes, 3, height, columns, rows);
  return Float32Array.from(planes, value => value / 255);
}

/** For each of `to` places of an axis: its neighbours among `from`, and their weights. */
function neighbours(from, to) {
  const [low, high] = [new Int32Array(to), new Int32Array(to)];
  const [ofLow, ofHigh] = [new Float32Array(to), new Float32Array(to)];
  const scale = Math.fround(from / to);
  for (let place = 0; place < to; place++) {
    const at = Math.max(0, Math.fround(scale * (place + 0.5) - 0.5));
    low[place] = Math.min(Math.trunc(at), from - 1);
    high[place] = Math.min(low[place] + 1, from - 1);
    ofHigh[place] = at - low[place];
    ofLow[place] = 1 - ofHigh[place];
  }
  return {low, high, ofLow, ofHigh};
}

/** a * b + c * d, rounded as PyTorch does: to float32 after the second product and after the sum. */
const blend = (a, b, c, d) => Math.fround(a * b + Math.fround(c * d));

/** Logits of [classes][rows][columns] → the class of each pixel of the picture. */
function labelsOf(logits, classes, [rows, columns], width, height) {
  const across = neighbours(columns, width), down = neighbours(rows, height);
  const labels = new Uint8Array(width * height), best = new Float32Array(width);
  const widened = new Map();  // the last two rows at the picture's width
  const widen = row => {
    if (!widened.has(row)) {
      const wide = new Float32Array(classes * width);
      for (let c = 0, place = 0; c < classes; c++) {
        const begin = (c * rows + row) * columns;
        for (let x = 0; x < width; x++) {
          wide[place++] = blend(logits[begin + across.low[x]], across.ofLow[x],
                                logits[begin + across.high[x]], across.ofHigh[x]);
        }
      }
      if (widened.size === 2) widened.delete(widened.keys().next().value);
      widened.set(row, wide);
    }
    return widened.get(row);
  };
  for (let y = 0; y < height; y++) {
    const above = widen(down.low[y]), below = widen(down.high[y]), begin = y * width;
    best.fill(-Infinity);
    for (let c = 0, place = 0; c < classes; c++) for (let x = 0; x < width; x++, place++) {
      const logit = blend(above[place], down.ofLow[y], below[place], down.ofHigh[y]);
      if (logit > best[x]) { best[x] = logit; labels[begin + x] = c; }
    }
  }
  return labels;
}
