"""The last two steps of a night: the page (`report`) and the mail (`send`)."""

from __future__ import annotations

from evalkit.reporting.mailbox import Sent, send
from evalkit.reporting.page import report
from evalkit.reporting.sections import names
from evalkit.reporting.summary import NightSummary

__all__ = ["NightSummary", "Sent", "names", "report", "send"]
