"""The network: from maps to one probability per trait. TensorFlow lives in this room."""

from polarnet.network.model import build_model
from polarnet.network.run import Run, load_model, load_run, predict
from polarnet.network.training import kept_features, train

__all__ = ["Run", "build_model", "kept_features", "load_model", "load_run", "predict", "train"]
