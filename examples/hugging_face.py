"""Hugging Face's Trainer: python examples/hugging_face.py data/streets runs/teacher.

A SegFormer learns with a method of lix from a teacher made as in lightning_module.py.
"""

import argparse

import torch
import transformers as hf
from torch.nn.functional import cross_entropy

import lix
from lix.data.transforms import resize, to_batch
from lix.evaluation.evaluate import confusion_matrix
from lix.evaluation.metrics import scores


class Distilled(torch.nn.Module):
    """A SegFormer whose loss has lix's terms while it trains, with the outputs of Trainer."""

    def __init__(self, segformer, teacher):
        super().__init__()
        self.student = lix.wrap(segformer, size_divisor=32)
        self.teacher = teacher.requires_grad_(False)
        self.method = lix.build_method("dwld", num_classes=teacher.num_classes)

    def forward(self, image, x, target):
        s = self.student(image)
        loss = cross_entropy(s.logits, target, ignore_index=255)
        if self.training:
            loss = loss + sum(self.method(s, self.teacher.eval()(image, x), target).values())
        return {"loss": loss, "logits": s.logits}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("streets")
    parser.add_argument("teacher")
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()

    teacher, spec = lix.load_network(args.teacher)
    sets = [lix.build_dataset("vkitti2", args.streets, split=s) for s in ("train", "val")]
    read = [[to_batch(resize(d.read(i, with_x=True), spec.size)) for i in d.ids] for d in sets]

    def mean_iou(prediction):
        counter = confusion_matrix(teacher.num_classes)
        counter.update(*map(torch.from_numpy, prediction))
        return {"mIoU": scores(counter.compute()).mIoU}

    config = hf.SegformerConfig(num_labels=teacher.num_classes)
    model = Distilled(hf.SegformerForSemanticSegmentation(config), teacher)
    plain = {"save_strategy": "no", "report_to": "none", "remove_unused_columns": False}
    plain |= {"label_names": ["target"], "num_train_epochs": args.epochs}
    settings = hf.TrainingArguments("runs/hugging_face", **plain)
    argmax = {"preprocess_logits_for_metrics": lambda logits, _: logits.argmax(1)}
    trainer = hf.Trainer(model, settings, None, *read, compute_metrics=mean_iou, **argmax)
    trainer.train()
    print(trainer.evaluate())
