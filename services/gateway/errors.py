"""What the door refuses, beyond the tree in libs/common/errors."""

from libs.common.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized, Unavailable


class NoSuchRoute(NotFound):
    """There is no such route; see /docs for those there are."""

    code = "no_such_route"


class KeyRevoked(Unauthorized):
    """This API key is not valid: it was revoked, has expired or never was one."""

    code = "invalid_api_key"


class SessionEnded(Unauthorized):
    """Your session has ended; log in again."""

    code = "session_ended"


class TokenExpired(Unauthorized):
    """This visitor token is not valid any more; open the widget's session again."""

    code = "invalid_visitor_token"


class BadCredentials(Unauthorized):
    """The e-mail address or the password is not right."""

    code = "bad_credentials"


class ScopeMissing(Forbidden):
    """These credentials lack the scope this route needs; use a key or a role that has it."""

    code = "insufficient_scope"


class PlanLacksApi(Forbidden):
    """API keys are part of the Business and Enterprise plans; upgrade to use them."""

    code = "plan_without_api"


class PlanLimit(Forbidden):
    """Your plan's limit is reached; upgrade or remove something first."""

    code = "plan_limit_reached"


class OriginRefused(Forbidden):
    """This site is not on the chatbot's list of allowed origins."""

    code = "origin_not_allowed"


class CrossSite(Forbidden):
    """A change with a session must come from the dashboard itself."""

    code = "cross_site_request"


class Suspended(Forbidden):
    """This account is suspended; ask whoever runs this installation."""

    code = "account_suspended"


class NotYourToken(Forbidden):
    """A visitor token speaks for its own visitor and chatbot alone."""

    code = "not_your_visitor"


class InFlight(Conflict):
    """A request with this Idempotency-Key is being worked on; repeat it in a moment."""

    code = "idempotency_in_flight"


class EmailTaken(Conflict):
    """There is a user with this e-mail address already."""

    code = "email_taken"


class LastOwner(Conflict):
    """An account needs an owner; make someone else one first."""

    code = "last_owner"


class LinkExpired(BadRequest):
    """This link was used before or is too old; ask for a new one."""

    code = "link_expired"


class TooManyStreams(Unavailable):
    """Too many open streams; close some or try again shortly."""

    code = "too_many_streams"


class Draining(Unavailable):
    """This replica is about to stop; connect again."""

    code = "draining"
