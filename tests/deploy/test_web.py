"""A student in the browser: the labels of `lix predict`, and a sentence for all that is wrong."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lix.deploy import web
from lix.deploy.web import export_web
from tests.cli.test_cli import lix
from tests.deploy.browser import needs_chromium, visit
from tests.deploy.conftest import PALETTE

pytestmark = pytest.mark.slow
needs_avx2 = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"),
    reason="PyTorch resizes bytes in another way without AVX2",
)
SHOW = """
const show = async (name, data) => {
  const file = new File([Uint8Array.from(atob(data), letter => letter.charCodeAt(0))], name);
  const dropped = new DataTransfer();
  if (name) dropped.items.add(file);
  line.textContent = "";
  dispatchEvent(new DragEvent("drop", {dataTransfer: dropped, cancelable: true}));
  await turn;
  return {line: line.textContent, isError: line.className === "error", colours: colours.toDataURL(),
          legend: [...legend.children].map(entry => entry.lastChild.textContent)};
};
"""


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real onnxruntime-web."""
    folder = tmp_path_factory.mktemp("npm")
    try:
        return web._downloaded(folder)
    except ValueError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    """A folder that looks like onnxruntime-web."""
    folder = tmp_path / "node_modules" / web.PACKAGE
    (folder / "dist").mkdir(parents=True)
    for name in (web.SCRIPT, web.MODULE, web.WASM):
        (folder / "dist" / name).write_text("/* ONNX Runtime Web v9.8.7 */")
    return folder


@pytest.fixture(scope="module")
def page(exported: Path, runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_web(exported, tmp_path_factory.mktemp("web"), runtime=runtime).path / "index.html"


def pictures(folder: Path) -> list[Path]:
    """Files of several formats and sizes, larger and smaller than the student's 48 x 80."""
    draw = np.random.default_rng(0)
    folder.mkdir()

    def add(name: str, height: int, width: int, mode: str = "RGB", **options: object) -> None:
        coarse = Image.fromarray(draw.integers(0, 256, (8, 12, 3), dtype=np.uint8))
        smooth = coarse.resize((width, height), Image.Resampling.BICUBIC)
        smooth.convert(mode).save(folder / name, **options)

    turned = Image.Exif()
    turned[274] = 6
    add("same.png", 48, 80)
    add("large.png", 233, 401)
    add("small.png", 31, 45)
    add("grey.png", 60, 90, "L")
    add("palette.png", 60, 90, "P")
    add("photo.jpg", 120, 203, quality=80)
    add("turned.jpg", 60, 100, exif=turned)
    add("lossy.webp", 70, 90)
    return sorted(folder.iterdir())


def labels(colours: str) -> np.ndarray:
    """Train ids of a data address of a picture in the student's colours."""
    image = Image.open(io.BytesIO(base64.b64decode(colours.partition(",")[2])))
    same = (np.asarray(image.convert("RGB"))[..., None, :] == np.array(PALETTE)).all(axis=-1)
    assert (same.sum(axis=-1) == 1).all()
    return same.argmax(axis=-1)


def given(path: Path) -> tuple[str, str]:
    return path.name, base64.b64encode(path.read_bytes()).decode()


@needs_chromium
@needs_avx2
def test_labels_from_disk_are_those_of_predict(page: Path, student: Path, tmp_path: Path) -> None:
    files = pictures(tmp_path / "in")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "cut.png").write_bytes(files[0].read_bytes()[:200])
    wrong = [given(tmp_path / "notes.txt"), given(tmp_path / "cut.png"), ("", "")]
    shown = json.dumps([*map(given, files), *wrong])
    script = f"""{SHOW}
    (async () => {{
      const found = [];
      await opened;
      for (const [name, data] of {shown}) found.push(await show(name, data));
      camera.click();
      await turn;
      tell([found, line.textContent]);
    }})();"""
    (found, of_camera), console = visit(page, script, tmp_path / "profile")
    assert lix("predict", student, tmp_path / "in", "--output", tmp_path / "out") == 0
    for path, result in zip(files, found, strict=False):
        expected = np.asarray(Image.open(tmp_path / "out" / f"{path.stem}_label.png"))
        assert np.array_equal(labels(result["colours"]), expected), path.name
        height, width = expected.shape
        sentence = rf"{path.name}, {width} × {height}: \d+ ms in the network, \d+ ms in all\."
        assert re.fullmatch(sentence, result["line"])
        shares = np.bincount(expected.ravel(), minlength=len(PALETTE)) / expected.size
        assert result["legend"] == [f"{100 * s:.1f} %" if s else "" for s in shares]
    sentences = [result["line"] for result in found[-3:]]
    assert all(result["isError"] for result in found[-3:])
    assert sentences[:2] == [
        f"{name} is damaged or not a picture that this browser reads; choose a JPEG or PNG file."
        for name in ("notes.txt", "cut.png")
    ]
    assert sentences[2] == "That is not a file; drop a JPEG or PNG file."
    assert of_camera == "No camera was found; connect one, or choose a picture."
    assert console == []


@needs_chromium
def test_a_served_page_shows_the_camera_until_a_picture_is_chosen(
    page: Path, photo, tmp_path: Path
) -> None:
    script = f"""{SHOW}
    (async () => {{
      await opened;
      camera.click();
      const frames = [];
      while (frames.length < 2) {{
        await new Promise(resolve => setTimeout(resolve, 20));
        if (!line.textContent.startsWith("Camera")) continue;
        frames.push(line.textContent);
        line.textContent = "";
      }}
      const label = camera.textContent;
      const {{line: last}} = await show(...{json.dumps(given(photo("a.png")))});
      const fits = document.documentElement.scrollWidth <= innerWidth;
      tell([frames, label, last, camera.textContent, fits]);
    }})();"""
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    flags += ["--window-size=390,844"]
    told, console = visit(page, script, tmp_path / "profile", served=True, flags=flags)
    frames, stop, last, start, fits = told
    assert all(re.match(r"Camera, \d+ × \d+: \d+ ms in the network", frame) for frame in frames)
    assert (stop, start) == ("Stop the camera", "Open the camera")
    assert last.startswith("a.png, 64 × 48")
    assert fits, "a phone scrolls sideways"
    assert console == []


@needs_chromium
def test_half_a_folder_is_one_sentence(page: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(page, tmp_path / "index.html"))
    script = "opened.catch(() => setTimeout(() => tell([line.textContent, line.className])));"
    told, _ = visit(copy, script, tmp_path / "profile")
    assert told == ["Files next to this page are missing; copy the whole folder.", "error"]


@pytest.mark.usefixtures("exported_once")
def test_command_line_writes_a_folder_that_needs_nothing_else(
    student: Path, stub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lix("export", student, "--web", tmp_path / "w", "--runtime", stub) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "with ONNX Runtime Web 9.8.7" in printed
    assert "python -m http.server --directory" in printed
    names = {str(p.relative_to(tmp_path / "w")) for p in (tmp_path / "w").rglob("*.*")}
    of_runtime = {f"{web.PACKAGE}/{n}" for n in (web.SCRIPT, "runtime.js", "ThirdPartyNotices.txt")}
    assert names == {"index.html", "student.js"} | of_runtime
    assert "MIT License" in (tmp_path / "w" / web.PACKAGE / "LICENSE").read_text()
    text = (tmp_path / "w" / "index.html").read_text()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert set(loaded) == {
        "data:,",
        f"{web.PACKAGE}/{web.SCRIPT}",
        f"{web.PACKAGE}/runtime.js",
        "student.js",
    }
    assert "//" not in re.sub(
        r"^\s*//.*|  // .*|https:// and localhost", "", text, flags=re.MULTILINE
    )


def test_class_names_are_text(exported: Path, stub: Path, tmp_path: Path) -> None:
    opened = web.open_student(exported)
    evil = "</script><script>alert(1)</script>"
    spec = type(opened.spec)(
        **{**opened.spec.as_dict(), "classes": (evil, *opened.spec.classes[1:])}
    )
    text = web._page(type(opened)("onnx", opened.logits, spec, 16, opened.device))
    assert evil not in text
    assert json.loads(re.search(r'json">(.*)</script>', text)[1])["classes"][0] == evil


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--web", "w"), "let npm get it with --download, or name its folder with --runtime"),
        (("--web", "w", "--runtime", "none.tgz"), "none.tgz is missing"),
        (("--web", "w", "--runtime", "bad.tgz"), "is not an archive of onnxruntime-web; make one"),
        (
            ("--web", "w", "--runtime", "other.tgz"),
            "is not an archive of onnxruntime-web; make one",
        ),
        (("--web", "w", "--runtime", "."), "ort.wasm.min.js is missing"),
        (("--web", "w", "--int8"), "write the file first"),
        (("--download",), "belong to --web"),
    ],
)
def test_wrong_words_are_one_sentence(
    exported: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.tgz").write_text("no archive")
    with tarfile.open("other.tgz", "w:gz") as archive:
        archive.add("bad.tgz")
    assert lix("export", exported, *words) == 1
    assert message in " ".join(capsys.readouterr().err.split())
    assert not Path("w").exists()


def test_teacher_is_refused(teacher: Path, stub: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a teacher"):
        export_web(teacher, tmp_path / "w", runtime=stub)


def test_npm_that_is_missing_offline_or_lies_is_one_sentence(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(message: str) -> None:
        with pytest.raises(ValueError, match=message):
            export_web(exported, tmp_path / "w", download=True)

    monkeypatch.setattr(web.shutil, "which", lambda _: None)
    export(r"npm is missing; install Node.js, or get onnxruntime-web .* --runtime")
    monkeypatch.setattr(web.shutil, "which", lambda name: name)

    def offline(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "npm error code ENOTFOUND\nmore")

    def lying(command: list[str], *, cwd: Path, **_: object) -> subprocess.CompletedProcess[str]:
        (cwd / "onnxruntime-web.tgz").write_text("another")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(web.subprocess, "run", offline)
    export(r"npm cannot get onnxruntime-web \(npm error code ENOTFOUND\); go online, or get")
    monkeypatch.setattr(web.subprocess, "run", lying)
    export(r"its SHA-256 differs")
    assert not (tmp_path / "w").exists()
