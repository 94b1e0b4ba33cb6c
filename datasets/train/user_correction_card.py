"""Writes the card of the shipped model `user_correction` from the figures of its training run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def user_correction_card(model: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    """The card, Markdown."""
    held, chat = figures["held_out"], figures["chat"]
    training = model["training"][0]
    services = "\n".join(
        f"| {k + 1} | {item['services']} | {item['rows']:,} | {item['auroc']:.3f} | "
        f"{item['auroc_about_answer']:.3f} |"
        for k, item in enumerate(figures["services"])
    )
    weights = "\n".join(
        f"| {column['name']} | {column['coefficient'] / column['scale']:.2f} |"
        for column in model["features"]
    )
    return f"""# user_correction

The probability that a user's turn rejects or corrects the answer before it.

A logistic regression on {len(model["features"])} yes/no inputs (`evalkit/scoring/rejection.py`):
phrases of the turn (`evalkit/text/user_acts.py`), what the answer before it asked of the user, and
whether the turn puts other words or another number in the place of what it was asked to confirm. No
weight may be negative. No words of the training set are in it, only English phrases written by
hand. Runs on numpy; the file holds everything and is refused when its hash does not fit.

- Shipped threshold: {model["threshold"]:.3f}, the best F1 on the part that chooses it (rejections
  without goodbyes against all else).
- Calibrated to the set it is fitted on, where {model["prior"]:.1%} of the turns are rejections
  other than goodbyes; where yours is another, the order holds and the level does not.
- SHA-256 of the content: `{model["sha256"]}`.

## What counts

A rejection: the turn says no to what was proposed, puts it off, or corrects what was understood.

A goodbye ("No, that's all, thanks", where the answer asks whether there is anything else) is a no,
and says nothing about the answer. It counts a fifth of a rejection: it stands above a plain turn
and below the threshold. Otherwise polite endings would drown the corrections: in the training set
half of all that annotators call a rejection are goodbyes.

Asking for alternatives ("what else do you have?") is not a rejection here but a figure of its own,
`asks_alternatives`: a shopper who looks at three hotels rejects none of them. Counted as one, the
AUROC below would be {held["auroc_with_alternatives"]:.3f}.

## Training data

| set | turns | dialogues | rejections | licence |
| --- | --- | --- | --- | --- |
| {training["what"]} | {training["rows"]:,} | {training["sources"]:,} | {training["positives"]:,} | \
{training["license"]} |

Dialogues are parted by the hash of their id: three fifths fit the weights, one fifth chooses the
threshold and the inputs, one fifth is only reported on. Some of its texts were seen while the
phrases were first drafted, none while they were tuned.

## Held-out dialogues

{held["rows"]:,} turns, {held["rejects"]:,} rejections, {held["goodbyes"]:,} of them goodbyes.

| what is told apart | AUROC |
| --- | --- |
| rejections, goodbyes among them, from all else | {held["auroc"]:.3f} |
| rejections without goodbyes, from all else | {held["auroc_about_answer"]:.3f} |
| the first by "begins with a no" alone | {held["auroc_no"]:.3f} |
| the first by the turn's length | {held["auroc_length"]:.3f} |
| the first by a constant | 0.500 |

At the threshold, rejections without goodbyes: balanced accuracy {held["balanced_accuracy"]:.3f}, F1
{held["f1"]:.3f}; {held["goodbyes_called"]:.1%} of the goodbyes are called. Mean probability:
{held["mean_about_answer"]:.2f} of rejections, {held["mean_goodbye"]:.2f} of goodbyes,
{held["mean_other"]:.3f} of other turns.

## Held-out services

Services are in five groups by hash; each row is a fit on dialogues without any service of the
group, on the dialogues that are about services of the group alone.

| group | services | turns | AUROC | without goodbyes |
| --- | --- | --- | --- | --- |
{services}

## Chat between people

Topical-Chat, {chat["rows"]:,} messages that follow another's: nobody has an assistant's answer to
reject there, so what is called is mostly a false alarm: {chat["called"]:.2%} of the messages.
After the {chat["low"]:,} messages that the partner rated Poor or Not Good it is
{chat["called_after_low"]:.2%}; AUROC of low ratings {chat["auroc_low"]:.2f}: near chance. People
who find a message poor do not say so in the next one, and the model cannot see what nobody says.

## Weights

In log-odds, of an input that is 1; the intercept of a turn with none is {_base(model):.2f}.

| input | weight |
| --- | --- |
{weights}

Also tried, without gain: likeness to the user's own turn before (a rephrased question is a figure
of its own, `user_rephrase`), the turn's length, "yes, but", a request in the turn, no to an open
question.

## Where it fails

- The dialogues are paraphrased by people from templates of a task-oriented service. Complaints
  about a chatbot's answer ("that is not what I asked", "you forgot ...") are in the phrases, but
  hardly in the data: their weight rests on few turns.
- "No, the 10th of March" to "will you leave on the 7th?" is not a rejection for the annotators, and
  one for the model.
- A correction in no words of its own ("Mandarin subtitles then") is seen only where the answer
  before it asked to confirm.
- English only.
"""


def _base(model: Mapping[str, Any]) -> float:
    columns = model["features"]
    return float(
        model["intercept"] - sum(c["coefficient"] * c["mean"] / c["scale"] for c in columns)
    )
