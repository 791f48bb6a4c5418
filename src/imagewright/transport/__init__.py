"""HTTP for everything that needs it. Cheap to import: what costs time is imported at the first request."""

from imagewright.transport.client import Content, Stream, Traffic, Transport
from imagewright.transport.failures import AnswerError, BrokeOff
from imagewright.transport.sender import Answer, Response, Sender, Timeouts, Unanswered, is_loopback

__all__ = [
    "Answer",
    "AnswerError",
    "BrokeOff",
    "Content",
    "Response",
    "Sender",
    "Stream",
    "Timeouts",
    "Traffic",
    "Transport",
    "Unanswered",
    "is_loopback",
]
