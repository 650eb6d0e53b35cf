"""Services beside the tests: the script that starts those that do not run yet, and waits until they answer."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from .plan import Service

HOME = "/opt/services"
"""Where a sandbox has the environments of services."""


def start_script(services: Sequence[Service]) -> str:
    """A shell script that ends with 0 once every service answers; run again it does nothing. "" for no services.

    What it starts lives on after it, until its sandbox ends; its words go to /tmp/service-NAME.log.
    """
    return "\n".join(_one(service) for service in services)


def _one(service: Service) -> str:
    ready, log = f"( {service.ready}\n) >/dev/null 2>&1", f"/tmp/service-{service.name}.log"
    path = f"PATH={HOME}/{service.name}/bin:$PATH; " if service.requirements else ""
    start = f"( {path}cd /tmp; exec setsid sh -c {shlex.quote(service.start)} ) >{log} 2>&1 </dev/null &"
    return f"""if ! {ready}; then
{start}
left={max(1, service.seconds) * 5}
until {ready}; do
left=$((left - 1))
if [ "$left" -le 0 ]; then echo "the service {service.name} does not answer:"; tail -n 5 {log}; exit 70; fi
sleep 0.2
done
fi"""
