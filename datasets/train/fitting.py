"""Fits a logistic model whose weights cannot be negative, calibrates it, and writes it as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from evalkit.scoring.calibration import digest

Array = NDArray[np.float64]
_DECIMALS = 5
_CLIP = (0.005, 0.995)


@dataclass(frozen=True)
class Fit:
    """A fitted model: score = intercept + sum coefficient * (clip(x, low, high) - mean) / scale."""

    low: Array
    high: Array
    mean: Array
    scale: Array
    coefficient: Array
    intercept: float

    def score(self, x: Array) -> Array:
        """Log-odds, float64 [n]."""
        found: Array = (
            np.clip(x, self.low, self.high) - self.mean
        ) / self.scale @ self.coefficient + self.intercept
        return found


def set_weights(
    dataset: NDArray[Any], label: NDArray[np.bool_], share: Mapping[str, float]
) -> Array:
    """Row weights (mean 1) that give each set its share, and both classes of a set the same."""
    weight = np.zeros(len(label))
    for name in np.unique(dataset):
        for value in (False, True):
            rows = (dataset == name) & (label == value)
            if rows.any():
                weight[rows] = share[str(name)] / rows.sum()
    found: Array = weight * len(weight) / weight.sum()
    return found


def fit_logistic(
    x: Array,
    label: NDArray[np.bool_],
    weight: Array,
    ridge: float,
    *,
    clip: tuple[float, float] = _CLIP,
) -> Fit:
    """Weighted logistic regression with a ridge penalty and coefficients >= 0.

    Every input is made so that higher means less support; a negative weight could only be an
    accident of the sets at hand (a set of minimal edits would say that copied words are
    suspicious).

    `clip` are the quantiles that inputs are cut at; (0, 1) keeps a yes that few rows have.
    """
    low, high = np.quantile(x, clip, axis=0)
    clipped = np.clip(x, low, high)
    mean = np.average(clipped, axis=0, weights=weight)
    scale = np.sqrt(np.average((clipped - mean) ** 2, axis=0, weights=weight))
    scale[scale < 1e-9] = 1.0
    z = (clipped - mean) / scale
    y = label.astype(np.float64)
    total = weight.sum()

    def loss(beta: Array) -> tuple[float, Array]:
        odds = z @ beta[1:] + beta[0]
        p = 1 / (1 + np.exp(-odds))
        value = (weight * (np.logaddexp(0, odds) - y * odds)).sum() / total
        step = weight * (p - y) / total
        penalty = ridge / 2 * (beta[1:] ** 2).sum()
        return value + penalty, np.r_[step.sum(), z.T @ step + ridge * beta[1:]]

    bounds = [(None, None)] + [(0.0, None)] * x.shape[1]
    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds)
    return Fit(low, high, mean, scale, found.x[1:], float(found.x[0]))


def leave_one_out(
    x: Array,
    label: NDArray[np.bool_],
    dataset: NDArray[Any],
    share: Mapping[str, float],
    ridge: float,
) -> Array:
    """Log-odds of each row by a model that never saw its set, float64 [n].

    Args:
        x: float64 [n, inputs].
        label, dataset: [n].
        share, ridge: as in `set_weights` and `fit_logistic`.
    """
    odds = np.zeros(len(label))
    for name in np.unique(dataset):
        seen = dataset != name
        weight = set_weights(dataset[seen], label[seen], share)
        odds[~seen] = fit_logistic(x[seen], label[seen], weight, ridge).score(x[~seen])
    return odds


def calibrate(odds: Array, label: NDArray[np.bool_], weight: Array) -> tuple[float, float]:
    """Slope and shift of log-odds that make held-out probabilities honest at equal classes.

    Platt (1999), Probabilistic outputs for support vector machines; on rows of sets not fitted on.
    """
    fit = fit_logistic(odds[:, None], label, weight, ridge=0.0)
    slope = float(fit.coefficient[0] / fit.scale[0])
    return slope, float(fit.intercept - slope * fit.mean[0])


def best_cuts(
    odds: Array, label: NDArray[np.bool_], weight: Array, prior: float
) -> tuple[float, float]:
    """The cut with the best weighted balanced accuracy, and the one with the best F1 at the prior.

    Each is the middle of its flat top, so that a few rows do not move it.
    """
    cuts = np.unique(np.quantile(odds, np.linspace(0.02, 0.995, 196)))
    called = odds[None] >= cuts[:, None]
    hit = called @ (weight * label) / weight[label].sum()
    false = called @ (weight * ~label) / weight[~label].sum()
    f1 = 2 * prior * hit / (prior * hit + (1 - prior) * false + prior)
    return _top(cuts, hit - false), _top(cuts, f1)


def _top(cuts: Array, gain: Array) -> float:
    return float(np.median(cuts[gain >= gain.max() - 0.005]))


def as_model(
    name: str,
    inputs: Sequence[str],
    fit: Fit,
    calibration: tuple[float, float],
    prior: float,
    cuts: tuple[float, float],
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of the model's file; `cuts` are in the fit's own log-odds."""
    slope, shift = calibration
    to_prior = float(np.log(prior / (1 - prior)))

    def at(odds: float) -> float:
        return float(1 / (1 + np.exp(-(slope * odds + shift + to_prior))))

    columns = [
        {
            "name": input_name,
            "low": _rounded(fit.low[k]),
            "high": _rounded(fit.high[k]),
            "mean": _rounded(fit.mean[k]),
            "scale": _rounded(fit.scale[k]),
            "coefficient": _rounded(slope * fit.coefficient[k]),
        }
        for k, input_name in enumerate(inputs)
    ]
    content: dict[str, Any] = {
        "name": name,
        "kind": "logistic",
        "features": columns,
        "intercept": _rounded(slope * fit.intercept + shift + to_prior),
        "prior": prior,
        "threshold": round(at(cuts[0]), 4),
        "strict_threshold": round(at(cuts[1]), 4),
        **about,
    }
    return {**content, "sha256": digest(content)}


def _rounded(value: float) -> float:
    return round(float(value), _DECIMALS)
