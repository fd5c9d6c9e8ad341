"""What webhooks refuses, in words that say what to do."""

from libs.common.errors import BadRequest, Conflict, NotFound


class NoEndpoint(NotFound):
    """There is no webhook endpoint with this id."""


class NoDelivery(NotFound):
    """There is no delivery with this id."""


class BadUrl(BadRequest):
    """The URL can't be delivered to."""

    code = "invalid_url"


class BadHeaders(BadRequest):
    """These headers are set by us: content-*, host, connection, webhook-* and x-chattery-*."""

    code = "invalid_headers"


class TooManyEndpoints(Conflict):
    """An account may have 100 webhook endpoints; delete one first."""

    code = "too_many_endpoints"


class EndpointDisabled(Conflict):
    """This endpoint is disabled; enable it first: PATCH with `"enabled": true`."""

    code = "endpoint_disabled"
