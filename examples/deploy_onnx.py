"""A student in a car: ONNX Runtime, NumPy and Pillow, without lix or PyTorch.

lix export runs/lix student.onnx
python examples/deploy_onnx.py student.onnx photo.jpg labels.png
"""

import argparse
import json

import numpy as np
import onnxruntime
from PIL import Image


class Student:
    """An exported student; its file says size, classes and colours."""

    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.classes = json.loads(metadata["classes"])
        self.palette = np.array(json.loads(metadata["palette"]), np.uint8)
        self.height, self.width = json.loads(metadata["size"])

    def labels(self, picture):
        """(H, W) class numbers of a Pillow image, at its own size."""
        resized = picture.convert("RGB").resize((self.width, self.height), Image.BILINEAR)
        image = np.asarray(resized, np.float32).transpose(2, 0, 1)[None] / 255
        (logits,) = self.session.run(["logits"], {"image": image})
        scores = [Image.fromarray(of_class).resize(picture.size) for of_class in logits[0]]
        return np.stack(scores).argmax(0).astype(np.uint8)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("student")
    parser.add_argument("picture")
    parser.add_argument("labels")
    args = parser.parse_args()

    student = Student(args.student)
    labels = student.labels(Image.open(args.picture))
    Image.fromarray(student.palette[labels]).save(args.labels)
    shares = np.bincount(labels.ravel(), minlength=len(student.classes)) / labels.size
    for number in shares.argsort()[::-1]:
        print(f"{student.classes[number]:16} {100 * shares[number]:5.1f} %")
