"""localstripe's own application on 127.0.0.1; its command line would bind all addresses.

Usage: serve.py PORT STATE, where STATE is a file that keeps what it knows while it is stopped.
"""

import pickle
import sys
from pathlib import Path

import reference  # noqa: F401  before the server, which looks its functions up once
from aiohttp import web
from localstripe.resources import Store, store
from localstripe.server import app
from localstripe.webhooks import _webhooks as webhooks


def main(port, state):
    # Its own copy would go to one fixed file in /tmp, for every process of this machine.
    Store.dump_to_disk = lambda self: None
    if state.exists():
        objects, listeners = pickle.loads(state.read_bytes())
        store.update(objects)
        webhooks.update(listeners)

    async def keep(_app):
        state.write_bytes(pickle.dumps((dict(store), webhooks)))

    app.on_cleanup.append(keep)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
