"""Fine-tuning: what was pruned, narrowed or rounded learns on under the codec's own loss.

    minimise what training minimised (rate-distortion, or another objective of the family)

over the parts that are named; masks and grids stay in place. Parts that streams depend on stay as
they are unless they are named, so old streams are read as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from slimcodec import registry
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.shrink.learning import Learning, objective_settings

if TYPE_CHECKING:
    from torch import nn

    from slimcodec.codecs.family import Family
    from slimcodec.training.objectives import Objective

__all__ = ["Finetune"]


@dataclass(frozen=True)
class Finetune(Learning):
    """Learn on under an objective of the family.

    Attributes:
        loss: ``name`` of the objective and its settings; when empty, what the family's own weights
            were trained for (``Trainable.finetuning``).
    """

    name: ClassVar[str] = "finetune"

    loss: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.loss, Mapping) or (self.loss and "name" not in self.loss):
            raise UsageError(
                f'loss is a table with a name, such as "rate-distortion", got {self.loss!r}'
            )

    def check(self, family: Family, config: Any) -> Any:
        """Parts and objective must be the family's, and no teacher is needed."""
        left = super().check(family, config)
        name = self.loss.get("name")
        if name is not None and name not in family.objectives:
            raise UnknownNameError(f"objective of {family.name}", str(name), family.objectives)
        if self.loss and registry.objectives.get(str(name)).learns_from_a_teacher:
            raise UsageError(f"{name} learns from a teacher; that is the pass distil")
        smallest = objective_settings(self._loss(family)).smallest_crop
        if self.crop < smallest:
            raise UsageError(f"ms_ssim_weight needs a crop of {smallest} or more, got {self.crop}")
        return left

    def objective(self, network: Any, family: Family, reference: nn.Module) -> Objective:
        """See ``Learning``."""
        return objective_settings(self._loss(family)).build(network.config)

    def _loss(self, family: Family) -> Mapping[str, Any]:
        return self.loss or family.finetuning
