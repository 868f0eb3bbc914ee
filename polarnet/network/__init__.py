"""The network: from maps to one probability a trait. TensorFlow lives in this room only."""

from polarnet.network.model import build_model, load_model
from polarnet.network.prediction import predict
from polarnet.network.training import Run, train

__all__ = ["Run", "build_model", "load_model", "predict", "train"]
