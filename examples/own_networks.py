"""Your own networks in lix's loop: a U-Net of smp teaches a SegFormer and a timm backbone.

python examples/own_networks.py data/streets
"""

import argparse
import os
from pathlib import Path

import segmentation_models_pytorch as smp
import torch
from transformers import SegformerConfig, SegformerForSemanticSegmentation

import lix


def unet(num_classes, x_channels):
    """A U-Net that sees RGB and X stacked."""
    module = smp.Unet("resnet18", encoder_weights=None, in_channels=4, classes=num_classes)
    maps = {f"enc{i}": f"encoder.layer{i}" for i in (1, 2, 3, 4)}

    def call(m, image, x):
        return m(torch.cat([image, x], 1))

    return lix.wrap(module, maps, call=call, x_channels=x_channels, size_divisor=32)


def segformer(num_classes, x_channels):
    """A small SegFormer, which returns its maps itself."""
    module = SegformerForSemanticSegmentation(SegformerConfig(num_labels=num_classes))

    def forward(m, image, x):
        out = m(image, output_hidden_states=True)
        return out.logits, {f"enc{i}": f for i, f in enumerate(out.hidden_states, start=1)}

    return lix.wrap(module, forward=forward, size_divisor=32)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("streets", type=Path)
    parser.add_argument("--size", nargs=2, type=int, default=[96, 320])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--output", type=Path, default=Path("runs/networks"))
    args = parser.parse_args()

    os.environ["LIX_ALLOW_CODE"] = "1"  # networks by `module:function` run the code of this file
    shared = {
        "data": {"root": args.streets, "size": args.size},
        "optim": {"name": "adamw", "lr": 1e-3, "schedule": "poly", "batch_size": 4},
        "training": {"epochs": args.epochs},
    }
    unet_x = {"name": "own_networks:unet"}
    teacher = lix.train(shared, role="teacher", network=unet_x, output=args.output / "unet")
    timm = {"name": "duplexnet", "options": {"backbone": "resnet18", "decoder": "mlp"}}
    for network in ({"name": "own_networks:segformer"}, timm):
        output = args.output / network["name"].split(":")[-1]
        run = lix.distill(shared, teacher=teacher.path, network=network, output=output)
        print(f"{output}: mIoU {run.scores['mIoU']:.3f}")
