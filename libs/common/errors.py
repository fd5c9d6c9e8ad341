"""One tree of errors; each knows its HTTP status and its code on the wire.

AppError                     500 internal
├── BadRequest               400 invalid_request
│   ├── MalformedJson        400 malformed_json
│   └── UnknownField         400 unknown_field
├── Unauthorized             401 unauthorized
├── Forbidden                403 forbidden
├── NotFound                 404 not_found
├── MethodNotAllowed         405 method_not_allowed
├── Conflict                 409 conflict
├── PreconditionFailed       412 precondition_failed
├── PayloadTooLarge          413 payload_too_large
├── UnsupportedType          415 unsupported_media_type
├── IdempotencyMismatch      422 idempotency_mismatch
├── RateLimited              429 rate_limited
├── Unavailable              503 unavailable
│   └── DeadlineExceeded     503 deadline_exceeded
└── RemoteError              as the other side said

The docstring of a class is its default message: one sentence that says what to do.
An exception outside this tree is a bug: it is logged and answered as a plain 500.
"""

from typing import Any, ClassVar

import msgspec


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What travels: ``{"code", "message", "details"}``; status and retry go beside it."""

    code: str
    message: str
    details: dict[str, Any] = {}
    status: int = 500
    retry_after: float | None = None  # seconds


class AppError(Exception):
    """Something went wrong on our side; try again, and quote the request id if it stays."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        details: dict[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.message = message or " ".join((type(self).__doc__ or "").split())
        self.wire_code = code or self.code
        self.wire_status = self.status
        self.details = details or {}
        self.retry_after = retry_after
        super().__init__(self.message)

    def body(self) -> ErrorBody:
        return ErrorBody(
            self.wire_code, self.message, self.details, self.wire_status, self.retry_after
        )


class BadRequest(AppError):
    """The request is not valid."""

    status = 400
    code = "invalid_request"


class MalformedJson(BadRequest):
    """The body is not valid JSON."""

    code = "malformed_json"


class UnknownField(BadRequest):
    """The request has a field that this route does not take."""

    code = "unknown_field"


class Unauthorized(AppError):
    """Send a valid API key as `Authorization: Bearer ck_live_...`, or log in."""

    status = 401
    code = "unauthorized"


class Forbidden(AppError):
    """These credentials do not allow this."""

    status = 403
    code = "forbidden"


class NotFound(AppError):
    """There is nothing here under this id."""

    status = 404
    code = "not_found"


class MethodNotAllowed(AppError):
    """This path does not take this method."""

    status = 405
    code = "method_not_allowed"


class Conflict(AppError):
    """The object is not in a state that allows this."""

    status = 409
    code = "conflict"


class PreconditionFailed(AppError):
    """The object changed since you read it; read it again and repeat your change."""

    status = 412
    code = "precondition_failed"


class PayloadTooLarge(AppError):
    """The body is larger than this route takes."""

    status = 413
    code = "payload_too_large"


class UnsupportedType(AppError):
    """Send the body with a content type that this route takes."""

    status = 415
    code = "unsupported_media_type"


class IdempotencyMismatch(AppError):
    """This Idempotency-Key was used with another request; use a new key."""

    status = 422
    code = "idempotency_mismatch"


class RateLimited(AppError):
    """Too many requests; wait for the seconds in Retry-After and try again."""

    status = 429
    code = "rate_limited"


class Unavailable(AppError):
    """This is temporarily unavailable; try again shortly."""

    status = 503
    code = "unavailable"

    def __init__(
        self, message: str | None = None, *, retry_after: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(message, retry_after=retry_after, **kwargs)


class DeadlineExceeded(Unavailable):
    """This took longer than it may; try again shortly."""

    code = "deadline_exceeded"


class RemoteError(AppError):
    """An error that another service answered with, passed on as it was."""

    def __init__(self, body: ErrorBody) -> None:
        super().__init__(
            body.message, code=body.code, details=body.details, retry_after=body.retry_after
        )
        self.wire_status = body.status
