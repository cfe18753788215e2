"""A student as a folder with one HTML page, which segments pictures in any browser."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from jinja2 import Environment, PackageLoader, StrictUndefined

from lix.core.errors import require
from lix.core.files import write_text
from lix.deploy.backend import backend, backend_of, open_student
from lix.deploy.student import Student

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
"""ONNX Runtime for browsers, of npm; the version that lix is tested with and downloads."""
SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
"""Of the archive of that version."""
SCRIPT, MODULE, WASM = (
    *("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs"),
    "ort-wasm-simd-threaded.wasm",
)
"""The files of the package that a page needs, in its folder `dist`."""
LICENCES = ("LICENSE", "ThirdPartyNotices.txt")
"""Files of the Python package of ONNX Runtime; that of npm has none."""


@dataclass(frozen=True)
class WebReport:
    """A folder that shows a student in a browser."""

    path: Path
    runtime: str
    """Version of ONNX Runtime Web."""
    size: int
    """Bytes of all files."""

    def __str__(self) -> str:
        return (
            f"{self.path / 'index.html'}: open it, or serve the folder with: python -m http.server "
            f"--directory {self.path} ({self.size / 1e6:.1f} MB with ONNX Runtime Web "
            f"{self.runtime})"
        )


def export_web(
    checkpoint: Path, output: Path, *, runtime: Path | None = None, download: bool = False
) -> WebReport:
    """Write a folder whose page segments pictures and the camera's as `lix predict` does.

    The page opens from disk and from a server, and loads nothing from outside the folder. All
    that is no script is base64 of gzip in a script, because pages on disk may load nothing else.

    Args:
        checkpoint: run folder or checkpoint of a student, or an .onnx file of `lix export`.
        output: the folder; files that are there already stay, or are replaced.
        runtime: folder or .tgz of npm's onnxruntime-web.
        download: let npm get it where `runtime` is None.

    Raises:
        ModuleNotFoundError: the extra `export` is missing.
        FileNotFoundError: no checkpoint.
        ValueError: as `export_onnx`; no runtime, or npm cannot get it.
        OSError: the folder cannot be written.
    """
    require("export", "onnx", "onnxscript", "onnxruntime")
    import onnxruntime

    files = _runtime(runtime, download)
    student, content = _student(checkpoint)
    packed = {"wasm": _packed(files[WASM]), "module": _packed(files[MODULE])}
    licences = Path(onnxruntime.__file__).parent
    texts = {f"{PACKAGE}/{SCRIPT}": files[SCRIPT].decode()}
    texts[f"{PACKAGE}/runtime.js"] = f"const RUNTIME = {json.dumps(packed)};\n"
    for name in LICENCES:
        texts[f"{PACKAGE}/{name}"] = (licences / name).read_text(encoding="utf-8")
    texts["student.js"] = f'const STUDENT = "{_packed(content)}";\n'
    texts["index.html"] = _page(student)
    for name, text in texts.items():
        write_text(output / name, text)
    found = re.search(rb"ONNX Runtime Web v(\S+)", files[SCRIPT])
    version = found[1].decode() if found else "of an unknown version"
    return WebReport(output, version, sum((output / name).stat().st_size for name in texts))


def _student(checkpoint: Path) -> tuple[Student, bytes]:
    """A student, opened to verify it, and its ONNX file."""
    engine = backend("onnx")
    if backend_of(checkpoint) is engine:
        return open_student(checkpoint, device="cpu"), checkpoint.read_bytes()
    with TemporaryDirectory() as folder:
        exported = Path(folder, "student.onnx")
        engine.write(checkpoint, exported)
        return open_student(exported, device="cpu"), exported.read_bytes()


def _page(student: Student) -> str:
    environment = Environment(
        loader=PackageLoader("lix.deploy"), autoescape=True, undefined=StrictUndefined
    )
    spec = student.spec
    height, width = spec.size
    return environment.get_template("web.html").render(
        title="Segment a picture",
        facts=f"{spec.name}, {len(spec.classes)} classes, sees {width} × {height} pixels.",
        student={
            "classes": spec.classes,
            "palette": spec.palette,
            "size": spec.size,
        },
    )


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _runtime(place: Path | None, download: bool) -> Mapping[str, bytes]:
    """Content of the files of the package by name.

    Raises:
        ValueError: they are not there; the message says how to get them.
    """
    if place is not None:
        return _from_folder(place) if place.is_dir() else _from_archive(place)
    if not download:
        raise ValueError(
            f"--web needs {PACKAGE}, which lix does not bring along; let npm get it with "
            f"--download, or name its folder with --runtime, as in --runtime node_modules/{PACKAGE}"
        )
    with TemporaryDirectory() as folder:
        return _from_archive(_downloaded(Path(folder)))


def _from_folder(folder: Path) -> Mapping[str, bytes]:
    dist = folder / "dist" if (folder / "dist").is_dir() else folder
    missing = [name for name in (SCRIPT, MODULE, WASM) if not (dist / name).is_file()]
    if missing:
        raise ValueError(
            f"{folder} is not {PACKAGE}: {missing[0]} is missing; name the folder that npm made, "
            f"such as node_modules/{PACKAGE}"
        )
    return {name: (dist / name).read_bytes() for name in (SCRIPT, MODULE, WASM)}


def _from_archive(path: Path) -> Mapping[str, bytes]:
    try:
        with tarfile.open(path) as archive:
            files = (archive.extractfile(f"package/dist/{n}") for n in (SCRIPT, MODULE, WASM))
            contents = [file.read() for file in files if file is not None]
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing; let npm get it with --download") from None
    except (tarfile.TarError, KeyError, OSError, EOFError):
        raise ValueError(
            f"{path} is not an archive of {PACKAGE}; make one with: npm pack {PACKAGE}@{VERSION}"
        ) from None
    return dict(zip((SCRIPT, MODULE, WASM), contents, strict=True))


def _downloaded(folder: Path) -> Path:
    """The archive of the package, got by npm."""
    instead = f"get {PACKAGE} {VERSION} on another machine and name its folder with --runtime"
    npm = shutil.which("npm")
    if npm is None:
        raise ValueError(f"npm is missing; install Node.js, or {instead}")
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--loglevel=error", "--fetch-retries=0"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    archive = next(folder.glob("*.tgz"), None)
    if done.returncode or archive is None:
        reason = (done.stderr.strip().splitlines() or ["no message"])[0]
        raise ValueError(f"npm cannot get {PACKAGE} ({reason}); go online, or {instead}")
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        raise ValueError(
            f"What npm got as {PACKAGE} {VERSION} is not what was published (its SHA-256 differs); "
            f"check npm's registry setting, or {instead}"
        )
    return archive
