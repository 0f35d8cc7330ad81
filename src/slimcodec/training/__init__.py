"""Training: crops, losses and the only training loop."""

from slimcodec.training.config import TrainingConfig
from slimcodec.training.loop import Progress, Trained, train

__all__ = ["Progress", "Trained", "TrainingConfig", "train"]
