"""Refits a shipped model to the labels of one deployment: pulled towards what was shipped, chosen by
cross-validation, and kept only where it is better. Pure: reads and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from evalkit.scoring.calibration import Logistic, with_weights
from evalkit.stats.classification import auroc

__all__ = ["LEAST_LABELS", "Adaptation", "adapt"]

Array = NDArray[np.float64]
#: Below so many labels, or so few of either verdict, a refit says more of chance than of traffic.
LEAST_LABELS = 30
LEAST_OF_EACH = 5
# How strongly weights are held to the shipped ones, from freely to not at all: in units of one
# label, for inputs of standard deviation 1.
_PULLS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_INTERCEPT_PULL = 0.01
_FOLDS = 5
_ROUNDS = 3


@dataclass(frozen=True)
class Adaptation:
    """What a refit came to.

    Attributes:
        model: the refitted model, or the shipped one where it was not better.
        is_better: whether the refit is kept.
        n: labels that it rests on.
        pull: how strongly the weights were held (labels per unit of weight); None when not refitted.
        auroc_before, auroc_after: of the shipped model and, cross-validated, of the refit.
        loss_before, loss_after: mean log loss, likewise (natural logarithm).
        why: in words, why the refit was kept or not.
    """

    model: Logistic
    is_better: bool
    n: int
    pull: float | None
    auroc_before: float | None
    auroc_after: float | None
    loss_before: float | None
    loss_after: float | None
    why: str


def adapt(
    model: Logistic,
    x: Array,
    label: NDArray[np.bool_],
    groups: Sequence[str],
    weight: Array | None = None,
    seed: int = 0,
) -> Adaptation:
    """Fit the model's weights to labels, starting from the shipped ones.

    The weights minimise the log loss of the labels plus pull / 2 * |weights - shipped weights|^2:
    the maximum a posteriori estimate under a normal prior centred on what was shipped (Chelba and
    Acero (2004), Adaptation of Maximum Entropy Capitalizer: Little Data Can Help a Lot, EMNLP). The pull is the one with the
    best log loss in repeated five-fold cross-validation, where rows of one group (a document, a
    conversation) are never on both sides. The refit is kept when its cross-validated loss is below
    the shipped model's by more than one standard error of the difference.

    Args:
        model: the shipped model.
        x: float64 [n, inputs of the model].
        label: bool [n].
        groups: [n], what rows share: a split that parts them would leak.
        weight: float64 [n], None for 1 each; inverse inclusion probabilities, where rows were
            chosen unequally.
        seed: of the folds.
    """
    n = len(label)
    positives = int(label.sum())
    if n < LEAST_LABELS or min(positives, n - positives) < LEAST_OF_EACH:
        why = (
            f"{n} labels ({positives} yes): a refit needs {LEAST_LABELS}, "
            f"with {LEAST_OF_EACH} of each verdict"
        )
        return Adaptation(model, False, n, None, None, None, None, None, why)
    z = (np.clip(x, model.low, model.high) - model.mean) / model.scale
    w = np.ones(n) if weight is None else weight * n / weight.sum()
    shipped = np.r_[model.intercept, model.coefficient]
    before = z @ shipped[1:] + shipped[0]
    held_out = _held_out(z, label, w, _folds(groups, label, seed), shipped)
    losses = {
        pull: float(np.average(_loss(odds, label), weights=w)) for pull, odds in held_out.items()
    }
    pull = min(losses, key=lambda key: (losses[key], -key))
    gain = _loss(before, label) - _loss(held_out[pull], label)
    mean = float(np.average(gain, weights=w))
    error = float(np.sqrt(np.average((gain - mean) ** 2, weights=w) / n))
    figures = (
        auroc(label, before),
        auroc(label, held_out[pull]),
        float(np.average(_loss(before, label), weights=w)),
        losses[pull],
    )
    if mean <= error:
        why = f"not better than what is shipped by more than its error ({mean:.3f}, error {error:.3f})"
        return Adaptation(model, False, n, pull, *figures, why)
    beta = _fit(z, label, w, shipped, pull)
    why = f"log loss {figures[2]:.3f} -> {figures[3]:.3f} in cross-validation"
    odds, prior = held_out[pull], float(np.average(label, weights=w))
    made = with_weights(
        model,
        beta,
        prior=prior,
        threshold=_best_cut(odds, label, w, None),
        strict_threshold=_best_cut(odds, label, w, prior),
    )
    return Adaptation(made, True, n, pull, *figures, why)


def _held_out(
    z: Array,
    label: NDArray[np.bool_],
    weight: Array,
    folds: Sequence[NDArray[np.int64]],
    shipped: Array,
) -> Mapping[float, Array]:
    """Log-odds of each row by fits that did not see its group, per pull: means over the rounds."""
    found = {}
    for pull in _PULLS:
        odds = np.zeros(len(label))
        for fold in folds:
            for k in range(_FOLDS):
                inside = fold != k
                if not inside.any() or inside.all():
                    continue
                beta = _fit(z[inside], label[inside], weight[inside], shipped, pull)
                odds[~inside] += z[~inside] @ beta[1:] + beta[0]
        found[pull] = odds / len(folds)
    return found


def _folds(groups: Sequence[str], label: NDArray[np.bool_], seed: int) -> list[NDArray[np.int64]]:
    """For each round a fold per row; groups are dealt out in random order, those with a positive
    first, so that folds are alike."""
    random = np.random.default_rng(seed)
    names, place = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    has_positive = np.zeros(len(names), dtype=np.bool_)
    has_positive[place[label]] = True
    found = []
    for _ in range(_ROUNDS):
        order = random.permutation(len(names))
        order = order[np.argsort(~has_positive[order], kind="stable")]
        of_name = np.empty(len(names), dtype=np.int64)
        of_name[order] = np.arange(len(names)) % _FOLDS
        found.append(of_name[place])
    return found


def _fit(z: Array, label: NDArray[np.bool_], weight: Array, shipped: Array, pull: float) -> Array:
    y = label.astype(np.float64)
    strength = np.r_[_INTERCEPT_PULL, np.full(z.shape[1], pull)]

    def loss(beta: Array) -> tuple[float, Array]:
        odds = z @ beta[1:] + beta[0]
        off = beta - shipped
        step = weight * (_sigmoid(odds) - y)
        value = (weight * (np.logaddexp(0, odds) - y * odds)).sum()
        return (
            float(value + (strength * off**2).sum() / 2),
            np.r_[step.sum(), z.T @ step] + strength * off,
        )

    found: Array = minimize(loss, shipped, jac=True, method="L-BFGS-B").x
    return found


def _loss(odds: Array, label: NDArray[np.bool_]) -> Array:
    found: Array = np.logaddexp(0, odds) - label * odds
    return found


def _sigmoid(odds: Array) -> Array:
    found: Array = 1 / (1 + np.exp(-np.clip(odds, -500, 500)))
    return found


def _best_cut(odds: Array, label: NDArray[np.bool_], weight: Array, share: float | None) -> float:
    """The probability from which on rows are called positive: without a share where balanced accuracy
    is best, with the share of positives where F1 at that share is; the middle of its flat top."""
    cuts = np.unique(np.quantile(odds, np.linspace(0.01, 0.99, 99)))
    called = odds[None] >= cuts[:, None]
    hit = called @ (weight * label) / (weight * label).sum()
    false = called @ (weight * ~label) / (weight * ~label).sum()
    gain = hit - false
    if share is not None:
        gain = 2 * share * hit / (share * hit + (1 - share) * false + share)
    return float(_sigmoid(np.median(cuts[gain >= gain.max() - 0.005])))
