"""How usual features are: a multivariate t distribution of those of the training maps."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.covariance import LedoitWolf

_FREEDOM: Final = 10.0  # of the t distribution: defects make tails that a Gaussian does not have
_ROUNDS: Final = 6  # of its fit, which changes little after three
_LEAST_SD: Final = 0.01  # of a share or a logarithm: what differs less is not known to be fixed


@dataclass(frozen=True, eq=False)
class Usual:
    """Centre and precision of a multivariate t distribution of features."""

    centre: np.ndarray
    precision: np.ndarray

    def squares(self, features: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distance of each row, (n,)."""
        away = features - self.centre
        return np.einsum("ij,jk,ik->i", away, self.precision, away, optimize=True)

    def surprise(self, features: np.ndarray) -> np.ndarray:
        """Minus twice the log-likelihood of each row, but for a constant."""
        freedom = _FREEDOM + len(self.centre)
        return freedom * np.log1p(self.squares(features) / _FREEDOM)


def fit_usual(features: np.ndarray) -> Usual:
    """A t distribution of given freedom, its scatter shrunk as by Ledoit and Wolf."""
    n_features = features.shape[1]
    centre, weights = features.mean(axis=0), np.ones(len(features))
    for _ in range(_ROUNDS):
        away = (features - centre) * np.sqrt(weights)[:, None]
        scatter = LedoitWolf(assume_centered=True, store_precision=False).fit(away).covariance_
        usual = Usual(centre, np.linalg.inv(scatter + _LEAST_SD**2 * np.eye(n_features)))
        weights = (_FREEDOM + n_features) / (_FREEDOM + usual.squares(features))
        centre = weights @ features / weights.sum()
    return usual
