"""A recipe → what `fit` trains: network, teacher, method and data, checked before anything runs."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from rich.console import Console

from lix.core.console import busy, warn
from lix.core.registry import find
from lix.data.dataset import SegDataset
from lix.data.description import read_yaml
from lix.data.encode import encoded_channels
from lix.methods import build_method
from lix.methods.parts.base import Method
from lix.methods.parts.pairing import pair
from lix.networks import build_network
from lix.networks.parts.base import SegNetwork
from lix.runs.checkpoint import NetworkSpec, load_network, read_stored
from lix.runs.damaged import open_readable
from lix.runs.data import require_same_x
from lix.runs.folder import RunFolder
from lix.runs.recipe import Recipe
from lix.runs.settings import Data, Distillation, Training
from lix.training.batches import Batches
from lix.training.depth_mix import require_nearness
from lix.training.drives import open_drives
from lix.training.flat_x import warn_if_flat
from lix.training.loaders import derived_seed
from lix.training.module import SegModule, feature_pairs

Names = tuple[tuple[str, ...], tuple[str, ...]]
"""Names of the student's and of the teacher's maps that are compared, in order."""
WEIGHTS = ("weights", "x_weights")
"""Options that name weights to start from, which a trained network does not need again."""


def build(recipe: Recipe, console: Console) -> tuple[SegModule, Batches]:
    """Build what a recipe describes; nothing is trained yet.

    Raises:
        ValueError, FileNotFoundError: settings, data or teacher are wrong.
    """
    torch.manual_seed(derived_seed(recipe.training.seed))
    with busy("opening the data", console):
        train, val = _open_data(recipe, console)
    with busy("building the networks", console):
        module = _module(recipe, train, val)
    teacher = module.teacher
    mixes = recipe.augment.depth_mix > 0
    with_x = recipe.role == "teacher" or _sees_x(teacher, module.method) or mixes
    if mixes:
        require_nearness(train, recipe.data.x)
    if with_x:
        with busy("looking at X", console):
            warn_if_flat(train, recipe.data, console)
    drives = open_drives(recipe, train, val, with_x=with_x, console=console)
    if teacher is not None and not teacher.x_channels:
        how = "on unlabelled frames this is self-training" if drives else "this is compression"
        console.print(f"The teacher sees only RGB: {how}, and there is no X to learn from.")
    if module.student_features:
        pairs = zip(module.student_features, module.teacher_features, strict=True)
        console.print(
            f"compared maps, student – teacher: {', '.join(f'{s} – {t}' for s, t in pairs)}",
            markup=False,
        )
    is_teacher = recipe.role == "teacher"
    return module, Batches(
        recipe,
        train,
        val,
        x_in_training=with_x,
        x_in_validation=is_teacher,
        drives=drives,
    )


def _module(recipe: Recipe, train: SegDataset, val: SegDataset) -> SegModule:
    """Network, and where the recipe names them teacher and method."""
    spec = _spec(recipe, train)
    if recipe.network.options.get("frozen") and not recipe.network.options.get("weights"):
        raise ValueError(
            "A frozen backbone without weights stays random; name their file with "
            "--network.options.weights."
        )
    network = build_network(spec.name, len(spec.classes), spec.x_channels, **recipe.network.options)
    if recipe.training.sync_batchnorm:
        network = _synchronised(network, recipe.training)
    distill, training = recipe.distill, recipe.training
    method = teacher = None
    features: Names = ((), ())
    if distill and distill.method != "none":
        teacher = _teacher(distill.teacher, recipe, train)
        method, features = _method(distill, network, teacher)
    elif recipe.unlabelled.is_used and not recipe.unlabelled.truth:
        teacher = _labeller(recipe, train)
    for part in (network, teacher):
        if part is None:
            continue
        if training.channels_last:
            part.to(memory_format=torch.channels_last)
        if training.compile:
            part.compile()  # in place, so that the names of the weights stay
    return SegModule(
        network,
        spec,
        recipe.optim,
        epochs=training.epochs,
        updates_per_epoch=math.ceil(recipe.steps_per_epoch(len(train)) / recipe.optim.accumulate),
        seed=training.seed,
        max_class_weight=training.max_class_weight,
        method=method,
        teacher=teacher,
        features=features,
        unlabelled=recipe.unlabelled,
        left_out=val.left_out,
        depth_mix=recipe.augment.depth_mix,
    )


def _sees_x(teacher: SegNetwork | None, method: Method | None) -> bool:
    """Whether distillation loads X: for the teacher, or for a method that learns from it."""
    return bool((teacher and teacher.x_channels) or (method and method.needs_x))


def _open_data(recipe: Recipe, console: Console) -> tuple[SegDataset, SegDataset]:
    """Both splits; warns if they share frames."""
    _require_splits(recipe.data)
    with_x = recipe.role == "teacher" or recipe.distill is not None or recipe.augment.depth_mix > 0
    train = open_readable(recipe.data, "train", with_x=with_x, console=console)
    val = open_readable(recipe.data, "val", with_x=with_x, console=console)
    if shared := len(set(train.ids) & set(val.ids)):
        warn(
            console,
            f"{shared} frames have the same id in training and validation; if they are the same "
            "images, the scores mean nothing.",
        )
    return train, val


def _require_splits(data: Data) -> None:
    """Check that the YAML of a `folder` tells training and validation apart."""
    if data.name != "folder" or data.root is None or data.val_root or data.train or data.val:
        return
    path = data.root / "lix.yaml" if data.root.is_dir() else data.root
    description = read_yaml(path)
    if description.train == description.val:
        raise ValueError(
            f"{path} has the same frames for training and validation, so scores would mean "
            f"nothing; write lists with `lix data split {path} {path.parent / 'lists'}` and name "
            "them under `train` and `val`."
        )


def _synchronised(network: SegNetwork, training: Training) -> SegNetwork:
    """The network with batch norms that all processes share; a method's own stay each process's."""
    if training.processes == 1:
        return network
    if training.accelerator == "cpu" or not torch.cuda.is_available():
        raise ValueError("sync_batchnorm needs GPUs; leave it out on the CPU.")
    shared: SegNetwork = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return shared


def _spec(recipe: Recipe, train: SegDataset) -> NetworkSpec:
    data, is_teacher = recipe.data, recipe.role == "teacher"
    if is_teacher:
        train.require_x()
    return NetworkSpec(
        name=recipe.network.name,
        classes=train.classes,
        palette=train.palette,
        size=data.size,
        x_kind=train.x_kind if is_teacher else None,
        x_channels=encoded_channels(train.x, data.x) if is_teacher else 0,
        x_encoding=data.x,
        options={k: v for k, v in recipe.network.options.items() if k not in WEIGHTS},
        x_spans=train.x_spans if is_teacher else (),
    )


def _teacher(path: Path | None, recipe: Recipe, train: SegDataset) -> SegNetwork:
    """Load the teacher; its classes and its X must be the data's."""
    if path is None:
        raise ValueError("Distillation needs a teacher; name its run folder with --teacher.")
    teacher, spec = load_network(path)
    if spec.classes != train.classes:
        of_data, of_teacher = set(train.classes), set(spec.classes)
        if of_data == of_teacher:
            raise ValueError(
                f"The teacher {path} has the same classes as the student's data in another order; "
                f"list them in the teacher's order: {', '.join(spec.classes)}."
            )
        raise ValueError(
            f"The teacher {path} knows {len(spec.classes)} classes and the "
            f"student's data have {len(train.classes)}; only the teacher: "
            f"{', '.join(sorted(of_teacher - of_data)) or 'none'}, only the data: "
            f"{', '.join(sorted(of_data - of_teacher)) or 'none'}; train a teacher on this data "
            "set."
        )
    if spec.x_kind and spec.x_encoding != recipe.data.x:
        raise ValueError(
            f"The teacher {path} was trained with data.x={spec.x_encoding!r}; set the same here."
        )
    require_same_x(spec, train)
    return teacher


def _labeller(recipe: Recipe, train: SegDataset) -> SegNetwork:
    """The network whose classes are learnt on unlabelled frames without distillation."""
    if recipe.unlabelled.teacher is None:
        raise ValueError(
            "Frames without labels teach nothing without a teacher; use `lix distill` with one, or "
            "name one with --unlabelled.teacher."
        )
    return _teacher(recipe.unlabelled.teacher, recipe, train)


def _method(
    distill: Distillation, network: SegNetwork, teacher: SegNetwork
) -> tuple[Method, Names]:
    cls: type[Method] = find("methods", distill.method).load()
    names: Names = ((), ())
    if cls.kind == "logit" and (distill.features or distill.teacher_features):
        raise ValueError(f"{distill.method} compares no feature maps; leave features out.")
    if cls.kind in ("feature", "both"):
        names = (distill.features, distill.teacher_features or distill.features)
        if not all(names):
            proposed = pair(teacher, network, show=False)
            default = slice(-1, None) if cls.default_pairs == "last" else slice(None)
            names = (names[0] or proposed.student[default], names[1] or proposed.teacher[default])
    method = build_method(
        distill.method,
        feature_pairs(network, teacher, names),
        network.num_classes,
        preset=distill.preset,
        **distill.options,
    )
    return method, names


def load_method(recipe: Recipe, network: SegNetwork, teacher: SegNetwork) -> Method:
    """The distillation method of a finished run, as trained."""
    if recipe.distill is None:
        raise ValueError(f"{recipe.output} is not a distillation.")
    method, _ = _method(recipe.distill, network, teacher)
    best = RunFolder(recipe.output).best
    stored = read_stored(best)
    stored.verify(best)
    own = {
        k.removeprefix("method."): v for k, v in stored.tensors.items() if k.startswith("method.")
    }
    method.load_state_dict(own)
    return method.eval()
