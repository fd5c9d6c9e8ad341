"""What chat refuses, in words that say what to do."""

from libs.common.errors import BadRequest, Conflict, Forbidden, NotFound


class NoChatbot(NotFound):
    """There is no chatbot with this id."""


class NoConversation(NotFound):
    """There is no conversation with this id."""


class NoMessage(NotFound):
    """There is no such message of the bot or of a person in this conversation."""


class NoAnswer(NotFound):
    """There is no answer with this id."""


class NoVisitor(NotFound):
    """There is no visitor with this id."""


class NoJob(NotFound):
    """There is no job with this id."""


class NotEscalated(Conflict):
    """This conversation is not escalated; send `"force": true` to reply all the same."""

    code = "not_escalated"


class HandoffDisabled(Conflict):
    """This chatbot does not hand over to people."""

    code = "handoff_disabled"


class WidgetDisabled(Forbidden):
    """The widget of this chatbot is switched off."""

    code = "widget_disabled"


class OriginRefused(Forbidden):
    """This site is not on the chatbot's list of allowed origins."""

    code = "origin_not_allowed"


class IdentityRequired(Forbidden):
    """This chatbot talks to identified visitors only: send userId with userHash, or a jwt."""

    code = "identity_required"


class IdentityInvalid(Forbidden):
    """The proof of identity is not valid: check the secret and what was signed."""

    code = "identity_invalid"


class BadTimezone(BadRequest):
    """`handoff.timezone` must be a name of the IANA time zone database, such as Europe/Berlin."""


class BadWebsite(BadRequest):
    """`website` must be an http or https URL."""


class TooManyTags(BadRequest):
    """A conversation takes 50 tags; replace some with `"mode": "replace"`."""

    code = "too_many_tags"
