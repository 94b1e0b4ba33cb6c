"""How well a metric agrees with people's verdicts, beside trivial baselines; nothing is fitted
here."""

from evalkit.agreement.evaluation import Agreement, Baseline, Group, evaluate
from evalkit.agreement.output import to_json, to_text

__all__ = ["Agreement", "Baseline", "Group", "evaluate", "to_json", "to_text"]
