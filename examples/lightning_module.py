"""A LightningModule of your own, with a method of lix.

lix data streets data/streets
lix train -r recipes/streets.yaml --role teacher --output runs/teacher
python examples/lightning_module.py data/streets runs/teacher
"""

import argparse

import lightning as L
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

import lix
from lix.data.transforms import resize, to_batch


class Distillation(L.LightningModule):
    """A student that learns from labels and from a frozen teacher."""

    def __init__(self, teacher, student):
        super().__init__()
        self.teacher, self.student = teacher.requires_grad_(False), student
        self.student_maps, self.teacher_maps, pairs = lix.pair(teacher, student)
        self.method = lix.build_method("lix", pairs, student.num_classes)

    def training_step(self, batch, _):
        """Cross-entropy and the terms of the method."""
        image, target = batch["image"], batch["target"]
        with torch.no_grad():
            t = self.teacher.eval()(image, batch["x"], features=self.teacher_maps)
        s = self.student(image, features=self.student_maps)
        terms = self.method(s, t, target)
        self.log_dict({name: value.detach() for name, value in terms.items()}, prog_bar=True)
        return cross_entropy(s.logits, target, ignore_index=255) + sum(terms.values())

    def configure_optimizers(self):
        """The method may have weights of its own, such as projections."""
        weights = [*self.student.parameters(), *self.method.parameters()]
        return torch.optim.AdamW(weights, lr=1e-3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("streets")
    parser.add_argument("teacher")
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()

    teacher, spec = lix.load_network(args.teacher)
    streets = lix.build_dataset("vkitti2", args.streets, split="train")
    frames = [to_batch(resize(streets.read(i, with_x=True), spec.size)) for i in streets.ids]
    student = lix.build_network("mfnet", num_classes=teacher.num_classes)
    trainer = L.Trainer(max_epochs=args.epochs, logger=False, enable_checkpointing=False)
    trainer.fit(Distillation(teacher, student), DataLoader(frames, batch_size=4, shuffle=True))
    torch.save(student.state_dict(), "student.pt")
