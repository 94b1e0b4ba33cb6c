"""Base traffic: who asks what on which route, drawn with replacement; no incidents."""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sampling import prompts
from sampling.sources import Document, Item, Sources
from sampling.timing import Call, Measured

ROUTES, ROUTE_SHARES = ("/ask", "/summarize", "/kb"), (0.51, 0.27, 0.22)
ASK_MODELS, ASK_SHARES = ("gpt-4-0613", "gpt-3.5-turbo-0613"), (0.6, 0.4)
SUMMARIZE_SERVED = (
    ("perplexity", "llama-2-70b-chat"),
    ("anyscale", "llama-2-70b-chat"),
    ("anyscale", "llama-2-13b-chat"),
    ("fireworks", "llama-2-13b-chat"),
)
SUMMARIZE_SHARES = (0.5, 0.15, 0.1, 0.25)
UNANSWERABLE_SHARE = 0.10
ERROR_SHARE = 0.005
SECOND_TURN_SHARE, SECOND_TURN_WITHIN = 0.08, timedelta(minutes=20)
CACHE_WARM_FOR = timedelta(minutes=10)
CACHE_STEP = 128
USERS = 400


@dataclass(frozen=True)
class Interaction:
    """One request as it happened; what the log line says is derived from it."""

    started_at: datetime
    request_id: str
    response_id: str
    user_id: str
    session_id: str
    route: str
    provider: str
    requested_model: str
    model: str
    prompt_name: str
    prompt_version: str
    system_prompt: str
    item: Item
    documents: tuple[Document, ...]
    answer: str
    refused: bool
    call: Call
    slower: float
    retrieval_ms: int
    safety_ms: int
    failed: bool
    wants_second_turn: bool
    history: tuple[dict[str, str], ...] = ()
    cached_tokens: int = 0
    planted: tuple[str, ...] = ()

    @property
    def messages(self) -> list[dict[str, str]]:
        """System prompt, earlier turns, and the question with its documents."""
        texts = [document.text for document in self.documents]
        user = {"role": "user", "content": prompts.user_message(self.item.query, texts)}
        return [{"role": "system", "content": self.system_prompt}, *self.history, user]

    @property
    def input_tokens(self) -> int:
        """Prompt tokens by the rule of `prompts`."""
        return prompts.prompt_tokens(self.messages)

    @property
    def output_tokens(self) -> int:
        """Answer tokens by the rule of `prompts`."""
        return prompts.tokens(self.answer)

    @property
    def label(self) -> int | None:
        """The annotators' verdict on this answer, when there is an answer and a verdict."""
        return None if self.failed else self.item.label


def refusal(draw: random.Random) -> str:
    """A refusal: half of them real ones, half written for the sample."""
    return draw.choice(draw.choice((prompts.REFUSALS_REAL, prompts.REFUSALS_WRITTEN)))


def base(draw: random.Random, at: datetime, sources: Sources, measured: Measured) -> Interaction:
    """One request of the stationary traffic at time `at`."""
    route = draw.choices(ROUTES, ROUTE_SHARES)[0]
    refused = False
    if route == "/ask":
        provider, model = "openai", draw.choices(ASK_MODELS, ASK_SHARES)[0]
        item, prompt = draw.choice(sources.ask[model]), ("ask-answer", "7", prompts.ASK_V7)
    elif route == "/summarize":
        provider, model = draw.choices(SUMMARIZE_SERVED, SUMMARIZE_SHARES)[0]
        item = draw.choice(sources.summarize[model])
        prompt = ("summarize-news", "3", prompts.SUMMARIZE)
    else:
        provider, model = "openai", draw.choice(ASK_MODELS)
        refused = draw.random() < UNANSWERABLE_SHARE
        item = draw.choice(sources.kb_unanswerable if refused else sources.kb_answerable)
        prompt = ("kb-answer", "5", prompts.KB)
    return Interaction(
        started_at=at,
        request_id=f"req-{draw.getrandbits(64):016x}",
        response_id=f"chatcmpl-{draw.getrandbits(96):024x}",
        user_id=f"u-{1000 + int(USERS * draw.random() ** 2)}",
        session_id=f"s-{draw.getrandbits(40):010x}",
        route=route,
        provider=provider,
        requested_model=model,
        model=model,
        prompt_name=prompt[0],
        prompt_version=prompt[1],
        system_prompt=prompt[2],
        item=item,
        documents=item.documents,
        answer=refusal(draw) if refused else item.answer,
        refused=refused,
        call=measured.draw(draw, provider, model),
        slower=1.0,
        retrieval_ms=round(draw.lognormvariate(4.2, 0.35)),
        safety_ms=round(draw.lognormvariate(3.0, 0.3)),
        failed=draw.random() < ERROR_SHARE,
        wants_second_turn=draw.random() < SECOND_TURN_SHARE,
    )


class Conversations:
    """Joins some requests to an earlier one as its second turn; knows which prompts are cached."""

    def __init__(self) -> None:
        self._open: dict[str, Interaction] = {}
        self._sent: dict[tuple[str, str, str], datetime] = {}

    def join(self, interaction: Interaction) -> Interaction:
        """`interaction` with its earlier turn, if it continues one, and its cached tokens."""
        joined = self._continue(interaction)
        if not joined.failed and not joined.history:
            self._open[joined.route] = joined
        return replace(joined, cached_tokens=self._cached(joined))

    def _continue(self, later: Interaction) -> Interaction:
        first = self._open.get(later.route)
        if first is None or not later.wants_second_turn:
            return later
        # A person reads the first answer before asking again.
        waited = later.started_at - first.started_at
        if not timedelta(seconds=30) <= waited <= SECOND_TURN_WITHIN:
            return later
        del self._open[later.route]
        answer = {"role": "assistant", "content": first.answer}
        return replace(
            later,
            user_id=first.user_id,
            session_id=first.session_id,
            history=(first.messages[-1], answer),
        )

    def _cached(self, interaction: Interaction) -> int:
        """The system prompt's tokens in whole steps of 128 when it was sent shortly before."""
        if not interaction.model.startswith("gpt-") or interaction.failed:
            return 0
        key = (interaction.provider, interaction.model, interaction.system_prompt)
        before = self._sent.get(key)
        self._sent[key] = interaction.started_at
        if before is None or interaction.started_at - before > CACHE_WARM_FOR:
            return 0
        return prompts.tokens(interaction.system_prompt) // CACHE_STEP * CACHE_STEP


def line(interaction: Interaction, rate_limit: dict[str, Any]) -> dict[str, Any]:
    """The pair-log record of one interaction."""
    row = interaction
    ttft_ms = row.call.ttft_ms * row.slower
    inference_ms = round(ttft_ms + row.call.per_token_ms * row.slower * (row.output_tokens - 1))
    if row.failed:
        inference_ms = round(row.call.ttft_ms)
    stages = [
        _stage("retrieval", 0, row.retrieval_ms),
        _stage("inference", row.retrieval_ms, inference_ms, "error" if row.failed else "ok"),
    ]
    latency_ms = row.retrieval_ms + inference_ms
    if not row.failed:
        stages.append(_stage("safety", latency_ms, row.safety_ms))
        latency_ms += row.safety_ms
    return {
        "timestamp": iso(row.started_at),
        "request_id": row.request_id,
        "latency_ms": latency_ms,
        "ttft_ms": None if row.failed else row.retrieval_ms + round(ttft_ms),
        "status_code": 429 if row.failed else 200,
        "user_id": row.user_id,
        "session_id": row.session_id,
        "metadata": {
            "app": "helpdesk",
            "route": row.route,
            "environment": "prod",
            "provider": row.provider,
            "prompt": row.prompt_name,
            "prompt_version": row.prompt_version,
            "documents": [
                {"id": d.id, "text": d.text, "score": d.score, "updated_at": d.updated_at}
                for d in row.documents
            ],
            "stages": stages,
        },
        "request": {"model": row.requested_model, "temperature": 0.2, "messages": row.messages},
        "response": {"error": rate_limit} if row.failed else _completion(row),
    }


def iso(at: datetime) -> str:
    """UTC with milliseconds and Z."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _stage(name: str, start_ms: int, duration_ms: int, status: str = "ok") -> dict[str, Any]:
    return {
        "name": name,
        "kind": name,
        "start_ms": start_ms,
        "duration_ms": duration_ms,
        "status": status,
    }


def _completion(row: Interaction) -> dict[str, Any]:
    return {
        "id": row.response_id,
        "object": "chat.completion",
        "created": int(row.started_at.timestamp()),
        "model": row.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": row.answer, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": row.input_tokens,
            "completion_tokens": row.output_tokens,
            "total_tokens": row.input_tokens + row.output_tokens,
            "prompt_tokens_details": {"cached_tokens": row.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }
