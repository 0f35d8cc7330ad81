"""Training: crops, losses and the only training loop."""

from slimcodec.training.config import TrainingConfig
from slimcodec.training.data import Photographs, Samples
from slimcodec.training.run import train
from slimcodec.training.schedule import Schedule
from slimcodec.training.trainer import Trained, Trainer
from slimcodec.training.watch import Progress

__all__ = [
    "Photographs",
    "Progress",
    "Samples",
    "Schedule",
    "Trained",
    "Trainer",
    "TrainingConfig",
    "train",
]
