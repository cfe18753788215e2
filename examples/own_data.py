"""Your own images: a teacher with depth, a plain student, a LIX student, and a page about them.

python examples/own_data.py FOLDER, which holds rgb/*, depth/* (PNG in millimetres) and label/*
(PNG of class numbers, 255 = ignored), with equal names.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

import lix


class Folder(Dataset):
    """Frames of a folder; any code of yours may stand here."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index]
        folder, name = image.parents[1], f"{image.stem}.png"
        depth, label = (np.array(Image.open(folder / kind / name)) for kind in ("depth", "label"))
        return {"image": image, "label": label, "x": depth.astype(np.float32) / 1000}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classes", nargs="+", default=["road", "car", "person"])
    parser.add_argument("--size", nargs=2, type=int, default=[192, 384])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--output", type=Path, default=Path("runs/own"))
    args = parser.parse_args()

    images = sorted((args.folder / "rgb").iterdir())
    cut = len(images) * 3 // 4  # neighbours in a drive look alike, so validation is the end of it
    frames = lix.Frames(Folder(images[:cut]), Folder(images[cut:]), args.classes, x="depth")
    shared = {
        "data": {"frames": frames, "size": args.size},
        "optim": {"name": "adamw", "lr": 1e-3, "schedule": "poly", "batch_size": 4},
        "training": {"epochs": args.epochs},
    }
    teacher = lix.train(shared, role="teacher", output=args.output / "teacher")
    student = lix.train(shared, role="student", output=args.output / "student")
    taught = lix.distill(shared, method="lix", teacher=teacher.path, output=args.output / "lix")
    page = lix.report(teacher.path, student.path, taught.path, output=args.output / "report.html")
    lix.load_student(taught.path).predict(images[-1]).overlay().save(args.output / "overlay.png")
    print(f"mIoU {student.scores['mIoU']:.3f}, with LIX {taught.scores['mIoU']:.3f}; open {page}")
