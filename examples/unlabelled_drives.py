"""A drive that nobody labelled: the teacher, which sees depth, labels it for the student.

lix data streets data/town
lix data streets data/highway --world highway --seed 1
python examples/unlabelled_drives.py data/town data/highway
"""

import argparse
from pathlib import Path

import lix

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("labelled", type=Path)
    parser.add_argument("place", type=Path)
    parser.add_argument("--size", nargs=2, type=int, default=[96, 320])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--output", type=Path, default=Path("runs/drives"))
    args = parser.parse_args()

    # The new place has a few labels to score with; no training sees them.
    shared = {
        "data": {"root": args.labelled, "size": args.size},
        "optim": {"name": "adamw", "lr": 3e-3, "schedule": "poly", "batch_size": 4},
        "training": {"epochs": args.epochs},
    }
    drive = {"root": args.place, "options": {"lists": args.output / "drive"}}
    place = lix.build_dataset("vkitti2", args.place, split="train")
    (args.output / "drive").mkdir(parents=True, exist_ok=True)
    (args.output / "drive" / "train.txt").write_text("\n".join(place.ids))

    teacher = lix.train(shared, role="teacher", output=args.output / "teacher")
    for name, unlabelled in {"labels": {}, "drive": drive}.items():
        run = lix.distill(
            shared,
            method="dwld",
            teacher=teacher.path,
            unlabelled=unlabelled,
            output=args.output / name,
        )
        scores = lix.evaluate(run.path, data={"root": args.place})
        print(f"{name}: mIoU {scores.mIoU:.3f} in the new place")
