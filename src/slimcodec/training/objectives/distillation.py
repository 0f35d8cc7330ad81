"""``distillation``: a narrower generator learns from photographs and from a wider one's pictures.

    √λ-weighted    255² · (p · MSE(x̂, x) + t · MSE(x̂, x̂ of the teacher) + m · (1 - MS-SSIM)
                           + c · MSE of colour differences)

Both see the latents that the teacher decodes, so streams stay what they are and there is no rate
in it. A photograph says what cannot be known from the latents too; the teacher says what can.

A network may be its own teacher. With ``p = m = 0`` it then learns nothing but ``c``: colours come
nearer to the photograph's, and detail in brightness, invented or not, stays as it is.

Beside pictures, ``features`` may be compared (``Features``); they are too many to keep, so the
teacher makes its picture of a sample's latents again.

What the teacher makes of a crop, a ``Lesson``, is the same whenever it is asked. Samples may bring
it with them (``training.lessons``); where they bring none, the teacher is asked in every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slimcodec.errors import TrainingError, UsageError
from slimcodec.training.objectives.contract import Draw, Loss, psnr_db
from slimcodec.training.objectives.features import Features, given
from slimcodec.training.objectives.rate_distortion import RateDistortion
from slimcodec.training.objectives.settings import ObjectiveSettings, weight

__all__ = ["Distillation", "DistillationSettings", "Lesson"]


class Lesson(NamedTuple):
    """What a teacher makes of images at their qualities. A sample that brings one has these names.

    Shapes: ``features`` [b, m, h/16, w/16], its decoded latents in units of their usual spread;
    ``picture`` [b, 3, h, w], what it makes of them, values in [0, 1]; ``bpp`` [b], bits per pixel.
    """

    features: Tensor
    picture: Tensor
    bpp: Tensor


@dataclass(frozen=True)
class DistillationSettings(ObjectiveSettings):
    """``distillation``.

    Attributes:
        teacher_weight: of the squared error to the teacher's picture.
        photograph_weight: of the squared error to the photograph.
        ms_ssim_weight: of 1 - MS-SSIM to the photograph.
        colour_weight: of the squared error of colour differences to the photograph's.
    """

    name: ClassVar[str] = "distillation"
    learns_from_a_teacher: ClassVar[bool] = True
    teacher_weight: float = weight(1.0)
    photograph_weight: float = weight(1.0)
    ms_ssim_weight: float = weight(0.0)
    colour_weight: float = weight(0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not any(self.settings().values()):
            raise UsageError("of a distillation's weights one must be above 0")

    @property
    def has_rate(self) -> bool:
        """See ``ObjectiveSettings``."""
        return False

    def build(self, shape: Any, teacher: nn.Module | None = None) -> Distillation:
        """See ``ObjectiveSettings``; a shape has ``lambdas``."""
        if teacher is None:
            raise TrainingError("a distillation needs a teacher; name one with --teacher")
        return Distillation(
            shape.lambdas,
            teacher,
            self.teacher_weight,
            self.ms_ssim_weight,
            photograph_weight=self.photograph_weight,
            colour_weight=self.colour_weight,
        )


class Distillation(RateDistortion):
    """Distortion over several qualities, to the photograph and to a teacher's picture.

    Args:
        lambdas: one trade-off per quality, in the network's order; they weigh qualities here.
        teacher: ``teacher(image, quality)`` has an ``image``, ``likelihoods`` and ``features``. It
            stays as it is.
        teacher_weight: of the squared error to the teacher's picture.
        ms_ssim_weight: of ``1 - MS-SSIM`` to the photograph.
        features: what is compared inside, if anything; teacher and pupil then have
            ``picture(features)`` both.
        photograph_weight: of the squared error to the photograph.
        colour_weight: of the squared error of Cb and Cr (BT.601) to the photograph's.
    """

    def __init__(
        self,
        lambdas: tuple[float, ...],
        teacher: nn.Module,
        teacher_weight: float,
        ms_ssim_weight: float = 0.0,
        features: Features | None = None,
        *,
        photograph_weight: float = 1.0,
        colour_weight: float = 0.0,
    ) -> None:
        super().__init__(lambdas, ms_ssim_weight)
        self.teacher = teacher.eval().requires_grad_(False)
        self.teacher_weight, self.features = teacher_weight, features
        self.photograph_weight, self.colour_weight = photograph_weight, colour_weight

    def to(self, device: torch.device) -> None:
        """See ``Objective``."""
        super().to(device)
        self.teacher.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def describe(self) -> str:
        """See ``Objective``."""
        terms = (
            (self.photograph_weight, "mean squared error"),
            (self.teacher_weight, "mean squared error to the teacher's picture"),
            (self.ms_ssim_weight, "(1 - MS-SSIM)"),
            (self.colour_weight, "mean squared error of colour differences"),
        )
        said = [f"{weight:g} {what}" if weight != 1 else what for weight, what in terms if weight]
        if self.features is not None:
            said.append(f"{self.features.weight:g} of what its features lack of the teacher's")
        return f"{' + '.join(said)}, at {len(self.lambdas)} qualities at once"

    @torch.no_grad()
    def lesson(self, image: Float[Tensor, "b 3 h w"], quality: Float[Tensor, " b"]) -> Lesson:
        """Ask the teacher."""
        made = self.teacher(image, quality)
        bpp = made.likelihoods.bits() / image[0, 0].numel()
        return Lesson(made.features, made.image.float(), bpp)

    def training_loss(
        self, network: nn.Module, image: Float[Tensor, "b 3 h w"], draw: Draw
    ) -> Loss:
        """See ``Objective``; ``network.picture(features)`` is what learns."""
        quality = draw.data["quality"]
        if "features" in draw.data:
            lesson = Lesson(*(draw.data[name] for name in Lesson._fields))
        else:
            lesson = self.lesson(image, quality)
        picture, lacking = self._learned(network, lesson.features)
        error = picture - image
        distortion = self.photograph_weight * error.square().flatten(1).mean(dim=1)
        beside = (picture - lesson.picture).square().flatten(1).mean(dim=1)
        distortion = distortion + self.teacher_weight * beside
        if self.ms_ssim_weight:
            distortion = distortion + self.ms_ssim_weight * self.ms_ssim(image, picture)
        if self.colour_weight:
            colour = colour_differences(error).square().flatten(1).mean(dim=1)
            distortion = distortion + self.colour_weight * colour
        distortion = distortion + lacking
        index = quality.long()
        total = (self.weights[index] * self.lambdas[index] * 255**2 * distortion).mean()
        return Loss(total, lesson.bpp.mean(), psnr_db(error.detach()))

    def _learned(
        self, network: Any, latents: Float[Tensor, "b m h w"]
    ) -> tuple[Tensor, Tensor | float]:
        """The pupil's picture, and the term of its features."""
        if self.features is None:
            return network.picture(latents).float(), 0.0
        theirs, ours = zip(*self.features.layers, strict=True)
        teacher: Any = self.teacher
        with torch.no_grad(), given(teacher, theirs) as wanted:
            teacher.picture(latents)
        # The loop's network is wrapped; names are those inside.
        with given(getattr(network, "module", network), ours) as known:
            picture = network.picture(latents).float()
        return picture, self.features.term(wanted, known)


def colour_differences(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 2 h w"]:
    """Cb and Cr of RGB (BT.601, as in JPEG), less their offset: linear, of errors too."""
    red, green, blue = image.unbind(dim=1)
    brightness = 0.299 * red + 0.587 * green + 0.114 * blue
    return torch.stack([(blue - brightness) / 1.772, (red - brightness) / 1.402], dim=1)
