"""localstripe's own application on 127.0.0.1; its command line would bind all addresses.

Usage: serve.py PORT STATE, where STATE is a file that keeps what it knows while it is stopped.
"""

import pickle
import sys
from pathlib import Path

from aiohttp import web
from localstripe.resources import Store, store
from localstripe.server import app


def main(port, state):
    # Its own copy would go to one fixed file in /tmp, for every process of this machine.
    Store.dump_to_disk = lambda self: None
    if state.exists():
        store.update(pickle.loads(state.read_bytes()))

    async def keep(_app):
        state.write_bytes(pickle.dumps(dict(store)))

    app.on_cleanup.append(keep)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
