"""Training: crops, losses and the only training loop."""

from slimcodec.training.config import TrainingConfig
from slimcodec.training.loop import Trained, train
from slimcodec.training.watch import Progress

__all__ = ["Progress", "Trained", "TrainingConfig", "train"]
