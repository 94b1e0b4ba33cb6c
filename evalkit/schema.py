"""The tables of the lake: every column with its type and what it means. Docs and `evalkit schema` are made from this."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa

__all__ = [
    "CANARY",
    "DAILY",
    "FIELDS",
    "FINDINGS",
    "INTERACTIONS",
    "LABELS",
    "LEDGER",
    "PROMPTS",
    "REJECTS",
    "SCORES",
    "SCORES_OF_A_BUDGET",
    "STATUSES",
    "TABLES",
    "Column",
    "Table",
    "scores_schema",
]

TIME = pa.timestamp("us", tz="UTC")

#: Why a metric of a row has a value or has none (design rule 2): only `ok` carries a value.
STATUSES = ("ok", "abstained", "not_applicable", "truncated", "over_budget", "error")


@dataclass(frozen=True)
class Column:
    """One column: its name, its Arrow type, and one sentence that says what it holds."""

    name: str
    type: pa.DataType
    comment: str

    def field(self) -> pa.Field:
        # Without the comment: Delta refuses a column whose metadata differs from what was stored before.
        return pa.field(self.name, self.type)


@dataclass(frozen=True)
class Table:
    """One table of the lake; `parts` are the partition columns, the first of which is always `day`.

    `older` says what rows have in a text column that they were written before; without it NULL.
    """

    name: str
    row: str
    columns: tuple[Column, ...]
    parts: tuple[str, ...] = ("day",)
    older: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def schema(self) -> pa.Schema:
        return pa.schema([column.field() for column in self.columns])

    def empty(self) -> pa.Table:
        return self.schema.empty_table()


def _list_of(**fields: pa.DataType) -> pa.DataType:
    return pa.list_(pa.struct([pa.field(name, type_) for name, type_ in fields.items()]))


CONTEXTS = _list_of(
    id=pa.string(),
    text=pa.string(),
    score=pa.float64(),
    rank=pa.int32(),
    updated_at=TIME,
    attributes=pa.map_(pa.string(), pa.string()),
)
STAGES = _list_of(
    name=pa.string(),
    kind=pa.string(),
    start_ms=pa.float64(),
    duration_ms=pa.float64(),
    status=pa.string(),
    error=pa.string(),
)
FEEDBACK = _list_of(
    name=pa.string(), value=pa.float64(), label=pa.string(), comment=pa.string(), by=pa.string()
)
MESSAGES = _list_of(role=pa.string(), content=pa.string())
EVIDENCE = _list_of(
    metric=pa.string(), start=pa.int32(), end=pa.int32(), context_id=pa.string(), note=pa.string()
)
#: id; the days that rows were drawn from; how many were asked; the sheets whose rows were left out.
SHEET = pa.struct(
    [
        pa.field("id", pa.string()),
        pa.field("start", pa.date32()),
        pa.field("end", pa.date32()),
        pa.field("asked", pa.int64()),
        pa.field("after", pa.list_(pa.string())),
    ]
)

INTERACTIONS = Table(
    "interactions",
    "one LLM call with what surrounded it",
    (
        Column("day", pa.date32(), "the event's day in the configured time zone (partition)"),
        Column("interaction_id", pa.string(), "stable id: hash of source and source_id"),
        Column("source", pa.string(), "the source's name in evalkit.toml"),
        Column("source_id", pa.string(), "the call's id in its source"),
        Column("updated_at", TIME, "when the source last changed the record; the newest wins"),
        Column("trace_id", pa.string(), "the trace that the call belongs to"),
        Column("session_id", pa.string(), "the conversation"),
        Column("user_id", pa.string(), "who asked, as the source names them"),
        Column("started_at", TIME, "when the call began (UTC, microseconds)"),
        Column("app", pa.string(), "the application"),
        Column("route", pa.string(), "the endpoint or feature of the application"),
        Column("environment", pa.string(), "prod, staging, ..."),
        Column("provider", pa.string(), "who served the model"),
        Column("model", pa.string(), "the model that really answered (served)"),
        Column("requested_model", pa.string(), "the model that was asked for"),
        Column("prompt_name", pa.string(), "the registered prompt's name"),
        Column("prompt_version", pa.string(), "the version that the application claims to use"),
        Column("prompt_fingerprint", pa.string(), "hash of the prompt text that was really sent"),
        Column("system_prompt", pa.string(), "the system or developer message"),
        Column("history", MESSAGES, "earlier messages of the conversation, oldest first"),
        Column("query", pa.string(), "what the user asked in this turn, without its contexts"),
        Column("response", pa.string(), "what the model answered; NULL when nothing came back"),
        Column("contexts", CONTEXTS, "the chunks that were retrieved, best first"),
        Column("reference", pa.string(), "a known good answer, where there is one"),
        Column("relevant_ids", pa.list_(pa.string()), "ids of the chunks known to be relevant"),
        Column(
            "response_format", pa.string(), "the output format that was asked for: text, json, ..."
        ),
        Column("tokens_input", pa.int64(), "prompt tokens, as the provider counts them"),
        Column("tokens_cached", pa.int64(), "prompt tokens read from the provider's cache"),
        Column("tokens_output", pa.int64(), "completion tokens"),
        Column(
            "tokens_reasoning", pa.int64(), "the part of the completion tokens that was reasoning"
        ),
        Column(
            "token_semantics",
            pa.string(),
            "inclusive: cached tokens are part of tokens_input; exclusive: they come on top",
        ),
        Column("cost_logged_usd", pa.float64(), "the cost that the source logged, if any"),
        Column("latency_ms", pa.float64(), "from request to last token"),
        Column("ttft_ms", pa.float64(), "from request to first token"),
        Column("stages", STAGES, "the pipeline's stages and how long each took"),
        Column("status", pa.string(), "ok or error"),
        Column(
            "error_type", pa.string(), "what kind of error, for example 429 rate_limit_exceeded"
        ),
        Column("finish_reason", pa.string(), "stop, length, content_filter, tool_calls, ..."),
        Column("feedback", FEEDBACK, "what users or reviewers said about the answer"),
        Column("corrected_response", pa.string(), "the answer as a person edited it"),
        Column("truncated", pa.bool_(), "true where the log cut the text of this call"),
        Column(
            "attributes", pa.map_(pa.string(), pa.string()), "everything else that the source said"
        ),
    ),
)

_SCORES_HEAD = (
    Column("day", pa.date32(), "the event's day (partition)"),
    Column("interaction_id", pa.string(), "the interaction that was scored"),
)
_SCORES_TAIL = (
    Column("evidence", EVIDENCE, "spans of the response, in characters, and what each shows"),
    Column("scorer_fingerprint", pa.string(), "hash of scorers, encoder, precision and price list"),
    Column(
        "content_fingerprint",
        pa.string(),
        "hash of the interaction and its place in its session: while it and the scorers stay, so do the scores",
    ),
    Column(
        "corpus_fingerprint",
        pa.string(),
        "hash of the chunks that were searched for better ones; NULL where no scorer asks for them",
    ),
)

#: Columns of `scores` that are there once a day was scored under a budget.
SCORES_OF_A_BUDGET = (
    Column(
        "budget",
        pa.string(),
        "the budget that the day was scored under, in seconds of a worker; NULL without one",
    ),
    Column(
        "probability",
        pa.float64(),
        "how likely this row was to be drawn for the scorers that need models, in (0, 1]; NULL where it never could be, "
        "and without a budget",
    ),
    Column(
        "is_drawn",
        pa.bool_(),
        "whether it was: the others have status over_budget in these metrics; NULL without a budget",
    ),
    Column(
        "cheap",
        pa.map_(pa.string(), pa.float64()),
        "by metric what its scorer says without models; a metric that is not there does not apply, one "
        "with NULL applies and has no value; NULL where the row was certain to be drawn",
    ),
)

SCORES = Table(
    "scores",
    "the scores of one interaction: a column per metric, and per metric why it has a value or not",
    _SCORES_HEAD + _SCORES_TAIL + SCORES_OF_A_BUDGET,
)


def scores_schema(metrics: Iterable[tuple[str, str]], *, under_budget: bool = False) -> pa.Schema:
    """The schema of `scores` with a value and a status column for each (metric, comment)."""
    columns = list(_SCORES_HEAD)
    for name, comment in metrics:
        columns.append(Column(name, pa.float64(), comment))
        columns.append(Column(f"{name}__status", pa.string(), " | ".join(STATUSES)))
    columns.extend(_SCORES_TAIL)
    if under_budget:
        columns.extend(SCORES_OF_A_BUDGET)
    return Table(SCORES.name, SCORES.row, tuple(columns)).schema


DAILY = Table(
    "daily",
    "one metric on one segment on one day",
    (
        Column("day", pa.date32(), "the day (partition)"),
        Column("metric", pa.string(), "the metric's name"),
        Column("segment", pa.string(), "all, or the column that the day was divided by"),
        Column("value_of_segment", pa.string(), "the segment's value; 'all' for the whole day"),
        Column("n", pa.int64(), "interactions in the segment"),
        Column("n_eligible", pa.int64(), "of these, the ones that the metric applies to"),
        Column("n_scored", pa.int64(), "of these, the ones that have a value"),
        Column(
            "n_represented",
            pa.float64(),
            "eligible rows that the figures stand for, where a budget left some of them unscored and they "
            "are estimated; 0 where too few were scored to say anything; NULL without a budget",
        ),
        Column(
            "n_effective",
            pa.float64(),
            "so many scored rows would tell the mean as well, where it is estimated; NULL where it is not",
        ),
        Column("mean", pa.float64(), "mean of the values; NULL when there is none"),
        Column("variance", pa.float64(), "sample variance of the values; NULL below two"),
        Column("lower", pa.float64(), "lower end of the mean's 95 % interval"),
        Column("upper", pa.float64(), "upper end of the mean's 95 % interval"),
        Column(
            "level_mean",
            pa.float64(),
            "mean on the scale that changes are tested on: the value itself, or its natural logarithm "
            "for money, time and tokens",
        ),
        Column("level_variance", pa.float64(), "sample variance on that scale"),
        Column("p10", pa.float64(), "10 % quantile"),
        Column("p50", pa.float64(), "median"),
        Column("p90", pa.float64(), "90 % quantile"),
        Column("p99", pa.float64(), "99 % quantile"),
        Column("total", pa.float64(), "sum of the values"),
        Column(
            "histogram",
            _list_of(bin=pa.int32(), count=pa.int64()),
            "counts in the fixed bins of the metric's scale (mergeable over days and segments)",
        ),
        Column(
            "rate",
            pa.float64(),
            "share of the window's interactions that deserve the verdict, from the labels of the window and "
            "the scores of all; the window ends with this day; NULL with too few labels",
        ),
        Column("rate_lower", pa.float64(), "lower end of the rate's 95 % interval"),
        Column("rate_upper", pa.float64(), "upper end of the rate's 95 % interval"),
        Column("n_labels", pa.int64(), "labelled interactions of the window; NULL without any"),
        Column("rate_from", pa.date32(), "the window's first day with scored interactions"),
        Column(
            "rate_basis",
            pa.string(),
            "drawn: the labelled interactions were drawn with known probabilities; given: they are "
            "whichever had a verdict, and need not be like the others",
        ),
    ),
)

FINDINGS = Table(
    "findings",
    "one thing that someone should know",
    (
        Column("day", pa.date32(), "the night that says so (partition)"),
        Column("finding_id", pa.string(), "the same id every night that the same thing goes on"),
        Column("detector", pa.string(), "which detector found it"),
        Column("kind", pa.string(), "level_change, missing_data, prompt_version, prompt_edit, ..."),
        Column("severity", pa.string(), "info, warning or critical"),
        Column("metric", pa.string(), "the metric that moved; NULL when it is not about one"),
        Column("segment", pa.string(), "all, or the column that names where"),
        Column("value_of_segment", pa.string(), "where"),
        Column("title", pa.string(), "one sentence in plain words"),
        Column("before", pa.float64(), "the expected value, in the metric's unit"),
        Column("after", pa.float64(), "the value of the day"),
        Column("effect", pa.float64(), "after - before, or their ratio - 1 (see effect_kind)"),
        Column("effect_kind", pa.string(), "difference or ratio"),
        Column("lower", pa.float64(), "lower end of the effect's 95 % interval"),
        Column("upper", pa.float64(), "upper end of the effect's 95 % interval"),
        Column("p_value", pa.float64(), "how often chance alone does this"),
        Column("n", pa.int64(), "interactions that it rests on"),
        Column("since", pa.date32(), "the first day of it"),
        Column("since_at", TIME, "the instant it began, where that is known"),
        Column("cause", pa.string(), "what else changed there at that time; NULL when nothing did"),
        Column("detail", pa.map_(pa.string(), pa.string()), "what only this kind of finding knows"),
        Column("examples", pa.list_(pa.string()), "interaction ids worth looking at"),
        Column("status", pa.string(), "new, ongoing or resolved"),
    ),
)

LABELS = Table(
    "labels",
    "one human verdict: one person on one metric of one interaction",
    (
        Column("day", pa.date32(), "the day of the interaction (partition)"),
        Column(
            "origin",
            pa.string(),
            "traffic: it came with the logs; sheet: it was asked for on a sheet (partition)",
        ),
        Column("interaction_id", pa.string(), "the interaction"),
        Column("metric", pa.string(), "what was judged"),
        Column(
            "value",
            pa.float64(),
            "the verdict: 1 for yes, 0 for no; NULL when the person could not tell",
        ),
        Column("by", pa.string(), "who judged"),
        Column("at", TIME, "when"),
        Column("comment", pa.string(), "what they wrote beside it"),
        Column(
            "probability",
            pa.float64(),
            "how likely this row was to be put on its sheet, in (0, 1]; NULL when it was not drawn "
            "from the traffic: it came with the logs, or was asked of a second person",
        ),
        Column("sheet", SHEET, "the sheet it was asked on; NULL when it came with the logs"),
    ),
    parts=("day", "origin"),
    older={"origin": "traffic"},
)

PROMPTS = Table(
    "prompts",
    "one prompt text as seen in the traffic of one day",
    (
        Column("day", pa.date32(), "the day (partition)"),
        Column("fingerprint", pa.string(), "hash of the text"),
        Column("name", pa.string(), "the registered name; the route when there is none"),
        Column("version", pa.string(), "the version that the application claims"),
        Column("route", pa.string(), "the route that used it most"),
        Column("template", pa.string(), "the text"),
        Column("n", pa.int64(), "interactions that used it on this day"),
        Column("first_seen", TIME, "the first of them"),
        Column("last_seen", TIME, "the last of them"),
        Column("tokens_input", pa.float64(), "mean prompt tokens of them"),
    ),
)

REJECTS = Table(
    "rejects",
    "one record that could not be read",
    (
        Column(
            "day", pa.date32(), "its day, or that of the record before it in its file (partition)"
        ),
        Column("source", pa.string(), "the source's name in evalkit.toml"),
        Column("file", pa.string(), "where it stands"),
        Column("line", pa.int64(), "on which line, from 1"),
        Column("near", TIME, "its own event time, or that of the record before it in its file"),
        Column("reason", pa.string(), "why it could not be read"),
        Column("raw", pa.string(), "its first 2,000 characters"),
    ),
)

LEDGER = Table(
    "ledger",
    "one source and hour of a day (kind hour), one run of a night (kind run), one mail (kind mail), how a "
    "budget was spent (kind budget)",
    (
        Column("day", pa.date32(), "the day (partition)"),
        Column("kind", pa.string(), "hour, run, mail or budget (partition)"),
        Column("source", pa.string(), "the source; NULL for runs and mails"),
        Column("hour", TIME, "the hour's beginning; NULL for runs and mails"),
        Column(
            "expected",
            pa.float64(),
            "records that this hour usually has: median of the same hour of the week; NULL without history",
        ),
        Column("received", pa.int64(), "records read = accepted + duplicate + rejected"),
        Column("accepted", pa.int64(), "records that became interactions"),
        Column("duplicate", pa.int64(), "records that an equal or newer one replaced"),
        Column("rejected", pa.int64(), "records that could not be read"),
        Column("late", pa.int64(), "accepted records that came after their day was first stored"),
        Column(
            "truncated",
            pa.int64(),
            "accepted records with a text that was cut before it was logged",
        ),
        Column("contentless", pa.int64(), "accepted records without question and answer"),
        Column("scored", pa.int64(), "interactions with at least one score"),
        Column(
            "missing",
            pa.string(),
            "why the hour is known to be incomplete: its source could not be read to its end; NULL where it was",
        ),
        Column(
            "redacted",
            pa.map_(pa.string(), pa.int64()),
            "what was taken out of texts before they were stored, by class",
        ),
        Column("run_id", pa.string(), "the run"),
        Column(
            "status",
            pa.string(),
            "running, healthy, findings, degraded, failed; for mails sent, owed or given_up",
        ),
        Column("exit_code", pa.int32(), "what the run told its scheduler"),
        Column("config_hash", pa.string(), "hash of the configuration"),
        Column(
            "versions", pa.map_(pa.string(), pa.string()), "evalkit, encoder, model, price list"
        ),
        Column("message", pa.string(), "what went wrong, in words"),
        Column("started_at", TIME, "when the run began"),
        Column("seconds", pa.float64(), "how long it took"),
        Column(
            "spent",
            pa.map_(pa.string(), pa.string()),
            "for a budget: what was there to do, what was allowed and why, what was drawn",
        ),
    ),
    parts=("day", "kind"),
)

FIELDS = Table(
    "fields",
    "one field of one source as seen in the interactions of one day, by the type of its values",
    (
        Column("day", pa.date32(), "the day (partition)"),
        Column("source", pa.string(), "the source's name in evalkit.toml"),
        Column(
            "field",
            pa.string(),
            "a column of interactions, a part of contexts (contexts.score), or an attribute (attributes.tenant)",
        ),
        Column("type", pa.string(), "text, number, boolean, object, list, time or map"),
        Column("n", pa.int64(), "interactions that have it with this type"),
        Column("rows", pa.int64(), "interactions of the source on this day"),
        Column("share", pa.float64(), "n of rows"),
    ),
)

CANARY = Table(
    "canary",
    "one metric on the frozen rows that are scored every night: when it moves, the instrument moved",
    (
        Column("day", pa.date32(), "the night (partition)"),
        Column("metric", pa.string(), "the metric's name"),
        Column("fingerprint", pa.string(), "hash of the instrument: equal ones give equal values"),
        Column(
            "instrument",
            pa.map_(pa.string(), pa.string()),
            "what the values rest on: evalkit, encoder, scorers, libraries, instruction set",
        ),
        Column("n_scored", pa.int64(), "frozen rows that have a value"),
        Column("mean", pa.float64(), "mean of the values"),
        Column(
            "auroc",
            pa.float64(),
            "agreement with people on the frozen rows; NULL for metrics that their verdict is not about",
        ),
        Column("digest", pa.string(), "hash of the values"),
        Column("values", pa.list_(pa.float64()), "in the order of the frozen rows; NULL for none"),
        Column("previous_day", pa.date32(), "the night before this one; NULL on a first night"),
        Column(
            "previous_move",
            pa.float64(),
            "largest change of a row's value since then: absolute, relative for money and time; 1 where a value "
            "came or went",
        ),
        Column("first_day", pa.date32(), "the night that this instrument was first seen"),
        Column("first_move", pa.float64(), "largest change since then: anything but 0 is a fault"),
    ),
)

TABLES: tuple[Table, ...] = (
    INTERACTIONS,
    SCORES,
    DAILY,
    FINDINGS,
    LABELS,
    PROMPTS,
    REJECTS,
    LEDGER,
    FIELDS,
    CANARY,
)
