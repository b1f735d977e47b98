"""A gateway process that is told to stop under load answers everything that reaches it."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

from nlapi.gateway.control.access import Access, Audience
from nlapi.gateway.store.store import GatewayStore

ROOT = Path(__file__).parents[2]
CLIENTS = 4
COMMAND = [sys.executable, "-c", "from nlapi.cli.main import main; main()", "gateway", "serve", "--example"]
BODY = json.dumps({"input": {"watched": ["t1"], "limit": 3}})


def test_a_process_that_is_told_to_stop_under_load_fails_nothing(tmp_path: Path) -> None:
    database = tmp_path / "gateway.db"
    _, secret = Access(GatewayStore(database)).create_token("load", Audience.SERVE)
    command = [*COMMAND, "--port", "0", "--database", str(database)]
    statuses: list[int] = []
    ends: list[Exception] = []
    warm = threading.Semaphore(0)

    def ask(address: str) -> None:
        """Asks on until nobody listens any more, on a connection that is kept for as long as the gateway keeps it."""
        connection = http.client.HTTPConnection(address, timeout=120)
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        try:
            while True:
                connection.request("POST", "/v1/objectives/recommendations/serve", BODY, headers)
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
                warm.release()
        except (OSError, http.client.HTTPException) as error:
            ends.append(error)

    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        address = urlsplit(process.stdout.readline().strip()).netloc
        threads = [threading.Thread(target=ask, args=(address,)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for _ in range(50 * CLIENTS):
            assert warm.acquire(timeout=60)
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
    assert set(statuses) == {200}
    assert [type(error) for error in ends] == [ConnectionRefusedError] * CLIENTS
