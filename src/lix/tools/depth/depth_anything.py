"""Relative inverse or metric depth of single images by networks of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from lix.core.errors import is_out_of_memory, require
from lix.data.x_files import XFiles
from lix.tools.depth.engine import STORED

MEANS: dict[str, Literal["inverse_depth", "depth"]] = {
    "relative": "inverse_depth",
    "metric": "depth",
}
"""`depth_estimation_type` in a model's configuration → kind of X."""


class DepthAnything:
    """Depth Anything (Yang et al., 2024), both versions, and models of the same configuration.

    Args:
        model: folder of a model, or its name on huggingface.co.
        download: download a model that is not on this machine; otherwise nothing is downloaded.
        threads: number of threads of PyTorch.
        device: such as `cuda:1`; default: the accelerator, else the CPU.

    Raises:
        ModuleNotFoundError: transformers is missing.
        ValueError: no such model, or one that does not say what its numbers mean.
    """

    name: ClassVar[str] = "depth-anything"
    stereo: ClassVar[bool] = False

    def __init__(
        self,
        *,
        model: str,
        download: bool = False,
        threads: int = 1,
        device: str | torch.device | None = None,
    ) -> None:
        require("depth", "transformers")
        torch.set_num_threads(threads)
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        self.device = torch.device(device or accelerator or "cpu")
        self.model = str(Path(model).resolve()) if Path(model).is_dir() else model
        self._processor, network = _load(self.model, download=download)
        kind = MEANS.get(getattr(network.config, "depth_estimation_type", ""))
        if kind is None:
            raise ValueError(
                f"{model} does not say whether it gives depth or inverse depth; name a Depth "
                "Anything model, or export it and describe it for --engine onnx."
            )
        self.files: XFiles = STORED[kind]
        self._network = network.eval().to(self.device)

    @property
    def settings(self) -> dict[str, Any]:
        return {"model": self.model}

    @torch.inference_mode()
    def __call__(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float32]:
        inputs = self._processor(
            images=left, input_data_format="channels_last", return_tensors="pt"
        )
        try:
            predicted = self._network(**inputs.to(self.device)).predicted_depth
            values = interpolate(predicted[:, None].float(), left.shape[:2], mode="bilinear")
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise ValueError(
                f"it does not fit into the memory of {self.device}; choose a smaller model."
            ) from None
        depth: NDArray[np.float32] = values[0, 0].cpu().numpy()
        return depth


def _load(model: str, *, download: bool) -> tuple[Any, Any]:
    """Image processor and network."""
    from safetensors import SafetensorError
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation
    from transformers.utils import logging

    if not download:
        logging.disable_progress_bar()
    logging.set_verbosity_error()
    where = {"local_files_only": not download}
    try:
        return (
            AutoImageProcessor.from_pretrained(model, **where),
            AutoModelForDepthEstimation.from_pretrained(model, **where),
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
    if Path(model).is_dir():
        raise ValueError(f"{model} does not hold a depth model that transformers reads ({reason}).")
    if not download:
        raise ValueError(
            f"{model} is not a folder and was not downloaded before; add --download to get it from "
            "huggingface.co, or name the folder of a model."
        )
    raise ValueError(
        f"{model} cannot be downloaded ({reason}); correct the name or the connection."
    )
