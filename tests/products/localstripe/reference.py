"""What Stripe's API reference has and localstripe 1.15.10 leaves out, as far as the connector uses it.

What localstripe does itself stays as it is. Parameters that it refuses are kept on the object, fields
that it lacks are read from its own state, an object that is not there has the documented code, and
two lists get the order and the filters that https://docs.stripe.com/api/pagination gives every list.
Imported before localstripe's server.
"""

import time

from localstripe import resources
from localstripe.errors import UserError
from localstripe.resources import Event, List, PaymentIntent, Refund, StripeObject


def keeps(cls, **defaults):
    """Parameters of a creation that stand on the object afterwards."""
    plain = cls.__init__

    def __init__(self, *arguments, **data):
        kept = {name: data.pop(name, default) for name, default in defaults.items()}
        plain(self, *arguments, **data)
        vars(self).update(kept)

    cls.__init__ = __init__


keeps(
    PaymentIntent,
    description=None,
    payment_method_types=["card"],
    canceled_at=None,
    cancellation_reason=None,
)
keeps(Refund, reason=None)


def amount_capturable(intent):
    return intent.amount if intent.status == "requires_capture" else 0


def amount_received(intent):
    captured = getattr(intent, "_captured", intent.amount)
    return captured if intent.status == "succeeded" else 0


PaymentIntent.amount_capturable = property(amount_capturable)
PaymentIntent.amount_received = property(amount_received)

plain_capture = PaymentIntent._api_capture
plain_cancel = PaymentIntent._api_cancel


def capture(id, metadata=None, **data):
    intent = PaymentIntent._api_retrieve(id)
    before = dict(intent.metadata)
    # Before it, since the event of the capture shows them.
    intent._update(metadata=metadata)
    intent._captured = resources.try_convert_to_int(data.get("amount_to_capture", intent.amount))
    try:
        return plain_capture(id=id, **data)
    except UserError:
        intent.metadata = before
        raise


def cancel(id, cancellation_reason=None, **data):
    intent = plain_cancel(id=id, **data)
    intent.cancellation_reason = cancellation_reason
    intent.canceled_at = int(time.time())
    return intent


for place, (method, url, _) in enumerate(resources.extra_apis):
    if url == "/v1/payment_intents/{id}/capture":
        resources.extra_apis[place] = (method, url, capture)
    if url == "/v1/payment_intents/{id}/cancel":
        resources.extra_apis[place] = (method, url, cancel)


plain_retrieve = StripeObject._api_retrieve.__func__


def retrieve(cls, id):
    try:
        return plain_retrieve(cls, id)
    except UserError as absent:
        absent.body["error"]["code"] = "resource_missing"
        raise


StripeObject._api_retrieve = classmethod(retrieve)


class Before(List):
    """The page next before a cursor: localstripe knows `starting_after` only."""

    def __init__(self, url, limit, items, cursor):
        super().__init__(url, limit=limit)
        end = [item.id for item in items].index(cursor)
        start = max(0, end - self._limit)
        self._list = items[start:end]
        self._more = start > 0

    @property
    def has_more(self):
        return self._more


def lists(cls, **filters):
    """Newest first, by `created`, by `filters`, before or after a cursor."""
    bounds = {
        "gt": lambda at, bound: at > bound,
        "gte": lambda at, bound: at >= bound,
        "lt": lambda at, bound: at < bound,
        "lte": lambda at, bound: at <= bound,
    }

    def _api_list_all(
        cls, url, limit=None, starting_after=None, ending_before=None, created=None, **wanted
    ):
        unknown = wanted.keys() - filters.keys()
        if unknown:
            raise UserError(400, "Unexpected " + ", ".join(unknown))
        for cursor in filter(None, (starting_after, ending_before)):
            cls._api_retrieve(cursor)
        page = List(url, limit=limit, starting_after=starting_after)
        every = reversed([item for key, item in resources.store.items()
                          if key.startswith(cls.object + ":")])
        page._list = [
            item
            for item in every
            if all(bounds[name](item.created, int(at)) for name, at in (created or {}).items())
            and all(filters[name](item, value) for name, value in wanted.items())
        ]
        return Before(url, limit, page._list, ending_before) if ending_before else page

    cls._api_list_all = classmethod(_api_list_all)


lists(PaymentIntent, customer=lambda intent, customer: intent.customer == customer)
lists(
    Event,
    type=lambda event, kind: event.type == kind,
    types=lambda event, kinds: event.type in kinds,
)
