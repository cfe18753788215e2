"use strict";
const student = JSON.parse(document.getElementById("student").textContent);
const [picture, colours, line, legend, opacity, camera, chooser] =
  ["picture", "colours", "status", "legend", "opacity", "camera", "file"].map(id => document.getElementById(id));
const drawing = picture.getContext("2d", {willReadFrequently: true});
/** Colours of the classes as one number, in the order of bytes of this machine. */
const OPAQUE = new Uint32Array(new Uint8Array(student.palette.flatMap(colour => [...colour, 255])).buffer);
const READY = "Drop a picture, choose one, or open the camera.";
const OF_CAMERA = {
  NotAllowedError: "The browser may not use the camera; allow it in the settings of this page.",
  NotFoundError: "No camera was found; connect one, or choose a picture.",
  NotReadableError: "The camera is in use; close the other program, or choose a picture.",
};

function say(sentence, isError = false) {
  line.textContent = sentence;
  line.classList.toggle("error", isError);
}

async function unpack(base64) {
  const packed = Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function open() {
  if (typeof ort === "undefined" || typeof RUNTIME === "undefined" || typeof STUDENT === "undefined") {
    throw new Error("Files next to this page are missing; copy the whole folder.");
  }
  if (typeof DecompressionStream === "undefined") throw new Error("This browser is too old; use a newer one.");
  // A page from disk may load scripts but no other files, so all of it comes as scripts.
  const module = new Blob([await unpack(RUNTIME.module)], {type: "text/javascript"});
  Object.assign(ort.env.wasm, {
    numThreads: 1, wasmBinary: await unpack(RUNTIME.wasm), wasmPaths: {mjs: URL.createObjectURL(module)},
  });
  return ort.InferenceSession.create(await unpack(STUDENT), {executionProviders: ["wasm"]});
}

/** Draw a source of pixels, segment it, and say how long that took. */
async function segment(session, name, source, width, height) {
  picture.width = colours.width = width;
  picture.height = colours.height = height;
  picture.parentNode.classList.remove("empty");
  picture.parentNode.style.setProperty("--aspect", width / height);
  drawing.drawImage(source, 0, 0);
  const start = performance.now();
  const rgba = drawing.getImageData(0, 0, width, height).data;
  const values = prepare(rgba, width, height, student.size);
  const before = performance.now();
  const {logits} = await session.run({image: new ort.Tensor("float32", values, [1, 3, ...student.size])});
  const network = performance.now() - before;
  const labels = labelsOf(logits.data, student.classes.length, student.size, width, height);
  paint(labels, width, height);
  const all = performance.now() - start;
  let isOpaque = true;
  for (let i = 3; i < rgba.length; i += 4) isOpaque &&= rgba[i] === 255;
  say(`${name}, ${width} × ${height}: ${network.toFixed(0)} ms in the network, ${all.toFixed(0)} ms in all.`
    + (isOpaque ? "" : " Where it is transparent, lix predict may see other colours."));
}

function paint(labels, width, height) {
  const image = new ImageData(width, height), pixels = new Uint32Array(image.data.buffer);
  const counts = student.classes.map(() => 0);
  for (let i = 0; i < labels.length; i++) {
    counts[labels[i]]++;
    pixels[i] = OPAQUE[labels[i]];
  }
  colours.getContext("2d").putImageData(image, 0, 0);
  [...legend.children].forEach((entry, label) => {
    entry.classList.toggle("absent", !counts[label]);
    entry.lastChild.textContent = counts[label] ? `${(100 * counts[label] / labels.length).toFixed(1)} %` : "";
  });
}

async function showFile(session, file) {
  const options = {colorSpaceConversion: "none", premultiplyAlpha: "none"};
  const bitmap = await createImageBitmap(file, options).catch(() => {
    throw new Error(`${file.name} is damaged or not a picture that this browser reads; choose a JPEG or PNG file.`);
  });
  say(`${file.name} …`);
  await new Promise(resolve => setTimeout(resolve));
  await segment(session, file.name, bitmap, bitmap.width, bitmap.height);
}

let stream = null;

function stopCamera() {
  stream?.getTracks().forEach(track => track.stop());
  stream = null;
  camera.textContent = "Open the camera";
}

async function showCamera(session) {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers open the camera only for https:// and localhost; choose a picture instead.");
  }
  stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: "environment"}}).catch(error => {
    throw new Error(OF_CAMERA[error.name] ?? `The camera does not open (${error.message}); choose a picture instead.`);
  });
  stream.getVideoTracks()[0].addEventListener("ended", stopCamera);
  camera.textContent = "Stop the camera";
  const video = Object.assign(document.createElement("video"), {muted: true, playsInline: true, srcObject: stream});
  await video.play();
  while (stream) {
    await segment(session, "Camera", video, video.videoWidth, video.videoHeight);
    await new Promise(requestAnimationFrame);
  }
}

student.classes.forEach((name, label) => {
  const entry = legend.appendChild(document.createElement("li"));
  entry.append(document.createElement("i"), name, document.createElement("span"));
  entry.firstChild.style.background = `rgb(${student.palette[label]})`;
});

const opened = open();
opened.then(() => say(READY), error => say(error.message, true));
let turn = opened;

/** One picture at a time: `work` waits for what was asked before. */
function enqueue(work) {
  turn = turn.catch(() => {}).then(() => opened).then(work).catch(error => {
    stopCamera();
    say(error.message, true);
  });
}

function choose(file) {
  stopCamera();
  enqueue(session => {
    if (!file) throw new Error("That is not a file; drop a JPEG or PNG file.");
    return showFile(session, file);
  });
}

chooser.addEventListener("change", () => { if (chooser.files.length) choose(chooser.files[0]); chooser.value = ""; });
camera.addEventListener("click", () => stream ? stopCamera() : enqueue(showCamera));
opacity.addEventListener("input", () => { colours.style.opacity = opacity.value / 100; });
addEventListener("dragover", event => event.preventDefault());
addEventListener("drop", event => { event.preventDefault(); choose(event.dataTransfer.files[0]); });
