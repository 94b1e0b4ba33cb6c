from dataclasses import dataclass


@dataclass(frozen=True)
class Sent:
    status: str
    message: str


def send(*a, **k): ...
