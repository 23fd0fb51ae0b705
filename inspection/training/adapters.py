"""Training of a head's adapters on features that were computed once.

Everything an epoch does follows from the plan's seed and the epoch's number, and all that is
learnt stands in the state on disk: a run that was killed and started again ends, on a CPU, with
the same adapters bit for bit. Started by torchrun, several processes share every batch.
"""

import copy
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from inspection.errors import CheckpointError, TrainingError
from inspection.model.methods import Head
from inspection.model.pretrained.tensors import unpickle
from inspection.training.features import Features
from inspection.training.objective import losses
from inspection.training.plan import Epoch, Group, Plan

#: Seconds after which the state is written, besides at the end of every epoch.
SAVE_EVERY_S = 60.0


@dataclass
class _State:
    """Where a run is; everything that a successor needs beside weights and optimiser."""

    epoch: int = 0
    step: int = 0
    #: Sum of the losses of this epoch's steps so far.
    summed_loss: float = 0.0
    best_loss: float = math.inf
    best_epoch: int = 0
    history: list[Epoch] = field(default_factory=list)


class AdapterTraining:
    """A head under training."""

    def __init__(
        self,
        head: Head,
        features: Features,
        texts: Mapping[str, Tensor],
        plan: Plan,
        *,
        device: str = "cpu",
        group: Group | None = None,
    ) -> None:
        """Prepare to train `head` in place.

        Args:
            head: on the CPU or the device.
            features: what to learn from.
            texts: ``(text_width, 2)`` columns of every product of the features.
            plan: how.
            device: where to compute.
            group: the processes that share the batches.

        Raises:
            TrainingError: there are too few images to learn from.
        """
        self.head = head.to(device).train()
        self.best = copy.deepcopy(head.state_dict())
        self._features, self._plan, self._device = features, plan, device
        self._group = group or Group()
        products = sorted(texts)
        self._texts = torch.stack([texts[product] for product in products]).to(device)
        self._product_rows = torch.tensor(
            [products.index(sample.product) for sample in features.samples]
        )
        self._training, self._validation = _split(features, plan)
        if min(plan.batch_count, len(self._training)) < self._group.size:
            raise TrainingError(
                f"{self._group.size} processes share steps of {plan.batch_count} out of "
                f"{len(self._training)} images: start fewer of them"
            )
        self._optimiser = torch.optim.AdamW(
            head.parameters(), lr=plan.rate, betas=(0.9, 0.999), weight_decay=plan.weight_decay
        )
        self._module: nn.Module = DistributedDataParallel(head) if self._group.size > 1 else head
        self._state = _State()

    @property
    def history(self) -> tuple[Epoch, ...]:
        """The epochs that are done."""
        return tuple(self._state.history)

    @property
    def best_epoch(self) -> int:
        """Number of the epoch whose adapters are in `best`, counted from 1."""
        return self._state.best_epoch

    @property
    def counts(self) -> tuple[int, int]:
        """Images that are learnt from, and that choose the epoch."""
        return len(self._training), len(self._validation)

    def run(
        self,
        state_file: Path,
        *,
        on_epoch: Callable[[Epoch], None] = lambda _: None,
        on_step: Callable[[int, int], None] = lambda _step, _count: None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Train to the end; `best` then holds the adapters to keep.

        Args:
            state_file: where the state is kept; what is there is taken up.
            on_epoch: called after every epoch; `best` is that of the epochs so far.
            on_step: called after every step with its number in the run and the steps of a run.
            clock_s: time between two writings of the state.

        Raises:
            TrainingError: the loss is not finite, or the state belongs to another run.
        """
        self._restore(state_file)
        saved_at = clock_s()
        steps_count = self._plan.epochs_count * self._steps_of_an_epoch
        while self._state.epoch < self._plan.epochs_count and not self._is_stuck:
            for rows in self._batches(self._state.epoch, after=self._state.step):
                self._state.summed_loss += self._step(rows, steps_count)
                self._state.step += 1
                if clock_s() - saved_at > SAVE_EVERY_S:
                    self._save(state_file)
                    saved_at = clock_s()
                on_step(self._steps_done, steps_count)
            self._end_epoch()
            self._save(state_file)
            on_epoch(self._state.history[-1])

    @property
    def _steps_of_an_epoch(self) -> int:
        whole, rest = divmod(len(self._training), self._plan.batch_count)
        # A rest that is too small to be shared is left out.
        return whole + (rest >= self._group.size)

    @property
    def _steps_done(self) -> int:
        return self._state.epoch * self._steps_of_an_epoch + self._state.step

    @property
    def _is_stuck(self) -> bool:
        patience = self._plan.patience_epochs
        return 0 < patience <= self._state.epoch - self._state.best_epoch

    def _batches(self, epoch: int, *, after: int) -> Iterator[NDArray[np.int64]]:
        order = np.random.default_rng((self._plan.seed, epoch)).permutation(self._training)
        size = self._plan.batch_count
        for step in range(after, self._steps_of_an_epoch):
            yield order[step * size : (step + 1) * size]

    def _step(self, rows: NDArray[np.int64], steps_count: int) -> float:
        warm_up = int(self._plan.warm_up_share * steps_count)
        factor = min(self._steps_done / warm_up, 1.0) if warm_up else 1.0
        for settings in self._optimiser.param_groups:
            settings["lr"] = self._plan.rate * factor
        self._optimiser.zero_grad()
        loss = self._accumulate(rows[: len(rows) - len(rows) % self._group.size])
        norm = nn.utils.get_total_norm(
            [each.grad for each in self.head.parameters() if each.grad is not None]
        )
        self._check(loss, "loss")
        self._check(norm.item(), "gradient")
        self._optimiser.step()
        return loss

    def _check(self, value: float, name: str) -> None:
        if math.isfinite(value):
            return
        best = self._state.best_epoch
        kept = f"the adapters of epoch {best} are kept" if best else "there is nothing to keep yet"
        raise TrainingError(
            f"the {name} is {value} in step {self._steps_done}; {kept}: train again with a lower "
            f"rate than {self._plan.rate:g}, or look for broken images"
        )

    def _accumulate(self, rows: NDArray[np.int64]) -> float:
        """Add up the gradients of rows, chunk by chunk; every term is a mean over images."""
        mine = rows[self._group.rank :: self._group.size]
        total = 0.0
        for first in range(0, len(mine), self._plan.chunk_count):
            chunk = mine[first : first + self._plan.chunk_count]
            share = self._loss(chunk) * (len(chunk) / len(mine))
            share.backward()  # type: ignore[no-untyped-call]
            total += share.item()
        return self._summed([total])[0] / self._group.size

    def _loss(self, rows: NDArray[np.int64]) -> Tensor:
        labels = torch.from_numpy(self._features.labels[rows]).to(self._device)
        kind = torch.device(self._device).type
        with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
            answer = self._module(
                self._features.taps(rows, self._device),
                self._texts[self._product_rows[torch.from_numpy(rows)].to(self._device)],
            )
        masks = self._features.masks(rows, self._device)
        return losses(answer, masks, labels, self._features.grid).total

    def _end_epoch(self) -> None:
        state = self._state
        validation_loss = self._validate() if len(self._validation) else None
        self._check(validation_loss or 0.0, "validation loss")
        state.history.append(
            Epoch(
                number=state.epoch + 1,
                training_loss=state.summed_loss / self._steps_of_an_epoch,
                validation_loss=validation_loss,
            )
        )
        state.epoch, state.step, state.summed_loss = state.epoch + 1, 0, 0.0
        if validation_loss is None or validation_loss < state.best_loss:
            state.best_loss = math.inf if validation_loss is None else validation_loss
            state.best_epoch = state.epoch
            self.best = copy.deepcopy(self.head.state_dict())

    def _validate(self) -> float:
        mine = self._validation[self._group.rank :: self._group.size]
        summed = 0.0
        self.head.eval()
        with torch.no_grad():
            for first in range(0, len(mine), self._plan.chunk_count):
                chunk = mine[first : first + self._plan.chunk_count]
                summed += self._loss(chunk).item() * len(chunk)
        self.head.train()
        return self._summed([summed])[0] / len(self._validation)

    def _summed(self, values: list[float]) -> list[float]:
        """Return each value added up over all processes."""
        if self._group.size == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64, device=self._device)
        distributed.all_reduce(tensor)
        added: list[float] = tensor.tolist()
        return added

    @property
    def _identity(self) -> dict[str, Any]:
        return {
            "plan": asdict(self._plan),
            "head": asdict(self.head.config),
            "features": self._features.identity,
            "texts": hashlib.sha256(self._texts.cpu().numpy().tobytes()).hexdigest(),
            "processes": self._group.size,
        }

    def _save(self, path: Path) -> None:
        if not self._group.is_first:
            return
        state = {
            "identity": self._identity,
            "head": self.head.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "best": self.best,
            "state": asdict(self._state),
        }
        partial = path.with_name(path.name + ".partial")
        try:
            torch.save(state, partial)
            partial.replace(path)
        except (OSError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise TrainingError(f"the state cannot be written to {path}: {reason}") from error

    def _restore(self, path: Path) -> None:
        if not path.is_file():
            return
        try:
            saved = unpickle(path)
        except CheckpointError as error:
            raise TrainingError(f"{error}; remove it to begin anew") from error
        if saved["identity"] != self._identity:
            raise TrainingError(
                f"{path} belongs to a training with other data, sizes or plan; remove it to begin "
                "anew, or write to another folder"
            )
        self.head.load_state_dict(saved["head"])
        self._optimiser.load_state_dict(saved["optimiser"])
        self.best = saved["best"]
        values = saved["state"]
        self._state = _State(**values | {"history": [Epoch(**each) for each in values["history"]]})


def _split(features: Features, plan: Plan) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows to learn from and rows to choose the epoch by, alike in categories and labels."""
    rows = features.rows.astype(np.int64)
    labels = features.labels[rows]
    if len(set(labels.tolist())) == 1:
        raise TrainingError(
            f"all {len(rows)} images are {'anomalous' if labels[0] else 'normal'}: adapters learn "
            "from images of both kinds"
        )
    held_count = round(plan.validation_share * len(rows))
    if not held_count:
        return rows, rows[:0]
    strata = np.asarray(
        [f"{features.samples[row].category}/{features.labels[row]}" for row in rows]
    )
    names, counts = np.unique(strata, return_counts=True)
    # A kind with a single image cannot be in both parts; nor can more kinds than there are images.
    is_alike = counts.min() > 1 and len(names) <= min(held_count, len(rows) - held_count)
    training, validation = train_test_split(
        rows,
        test_size=held_count,
        random_state=plan.seed,
        stratify=strata if is_alike else None,
    )
    return np.sort(training), np.sort(validation)
