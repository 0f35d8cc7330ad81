"""``distillation``: a narrower generator learns from photographs and from a wider one's pictures.

    √λ-weighted    255² · (MSE(x̂, x) + t · MSE(x̂, x̂ of the teacher) + m · (1 - MS-SSIM))

Both see the latents that the teacher decodes, so streams stay what they are and there is no rate
in it. A photograph says what cannot be known from the latents too; the teacher says what can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slimcodec.errors import TrainingError
from slimcodec.training.objectives.contract import Draw, Loss, psnr_db
from slimcodec.training.objectives.rate_distortion import RateDistortion
from slimcodec.training.objectives.settings import ObjectiveSettings

__all__ = ["Distillation", "DistillationSettings"]


@dataclass(frozen=True)
class DistillationSettings(ObjectiveSettings):
    """``distillation``.

    Attributes:
        teacher_weight: of the squared error to the teacher's picture.
        ms_ssim_weight: of 1 - MS-SSIM to the photograph.
    """

    name: ClassVar[str] = "distillation"
    has_rate: ClassVar[bool] = False
    learns_from_a_teacher: ClassVar[bool] = True
    teacher_weight: float = 1.0
    ms_ssim_weight: float = 0.0

    def build(self, shape: Any, teacher: nn.Module | None = None) -> Distillation:
        """See ``ObjectiveSettings``; a shape has ``lambdas``."""
        if teacher is None:
            raise TrainingError("a distillation needs a teacher; name one with --teacher")
        return Distillation(shape.lambdas, teacher, self.teacher_weight, self.ms_ssim_weight)


class Distillation(RateDistortion):
    """Distortion over several qualities, to the photograph and to a teacher's picture.

    Args:
        lambdas: one trade-off per quality, in the network's order; they weigh qualities here.
        teacher: ``teacher(image, quality)`` has an ``image``, ``likelihoods`` and ``features``. It
            stays as it is.
        teacher_weight: of the squared error to the teacher's picture.
        ms_ssim_weight: of ``1 - MS-SSIM`` to the photograph.
    """

    def __init__(
        self,
        lambdas: tuple[float, ...],
        teacher: nn.Module,
        teacher_weight: float,
        ms_ssim_weight: float = 0.0,
    ) -> None:
        super().__init__(lambdas, ms_ssim_weight)
        self.teacher = teacher.eval().requires_grad_(False)
        self.teacher_weight = teacher_weight

    def to(self, device: torch.device) -> None:
        """See ``Objective``."""
        super().to(device)
        self.teacher.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def describe(self) -> str:
        """See ``Objective``."""
        beside = f" + {self.ms_ssim_weight:g} (1 - MS-SSIM)" if self.ms_ssim_weight else ""
        return (
            f"mean squared error + {self.teacher_weight:g} of it to the teacher's picture{beside}, "
            f"at {len(self.lambdas)} qualities at once"
        )

    def training_loss(
        self, network: nn.Module, image: Float[Tensor, "b 3 h w"], draw: Draw
    ) -> Loss:
        """See ``Objective``; ``network.picture(features)`` is what learns."""
        quality = draw.data["quality"]
        with torch.no_grad():
            taught = self.teacher(image, quality)
        picture = network.picture(taught.features).float()  # type: ignore[operator]
        error = picture - image
        distortion = error.square().flatten(1).mean(dim=1)
        beside = (picture - taught.image.float()).square().flatten(1).mean(dim=1)
        distortion = distortion + self.teacher_weight * beside
        if self.ms_ssim_weight:
            distortion = distortion + self.ms_ssim_weight * self.ms_ssim(image, picture)
        index = quality.long()
        total = (self.weights[index] * self.lambdas[index] * 255**2 * distortion).mean()
        bpp = taught.likelihoods.bits().mean() / image[0, 0].numel()
        return Loss(total, bpp, psnr_db(error.detach()))
