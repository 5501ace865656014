"""Karrio's own settings, and what only its code could change."""

import os
from datetime import timedelta

from karrio.lib import Deserializable, Serializable
from karrio.mappers.generic import Mapper, Proxy
from karrio.server.settings import *  # noqa: F403
from karrio.server.settings import DATABASES, SIMPLE_JWT

# Karrio's own setting counts days; the suites want a token that ends while they run.
SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"] = timedelta(seconds=int(os.environ["KARRIO_ACCESS_SECONDS"]))

# The generic carrier follows no parcel, and then Karrio makes no tracker when a label is bought.
# Here it does, and has never news: events come by Karrio's API, /v1/trackers/ID/inject-events.
Mapper.create_tracking_request = lambda self, payload: Serializable(payload)
Mapper.parse_tracking_response = lambda self, response: ([], [])
Proxy.get_tracking = lambda self, request: Deserializable(request)

# Several threads and the worker write, each request to its log at least: a transaction waits at its
# beginning, instead of failing with `database is locked` when it turns from reading to writing, and
# nobody waits for readers.
DATABASES["default"]["OPTIONS"] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL",
}
