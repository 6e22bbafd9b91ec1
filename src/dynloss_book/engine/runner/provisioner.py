"""How Jupyter comes by a kernel of `dynloss_book.engine.runner.kernels`: its entry point in `pyproject.toml`."""

import os
from typing import Any

from jupyter_client.provisioning import LocalProvisioner

from dynloss_book.engine.runner import kernels


class Provisioner(LocalProvisioner):
    """A kernel forked from the server that the environment names; without one, a fresh Python."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        forked: Any = kernels.fork(cmd, kwargs["env"], kwargs.get("cwd") or os.getcwd())
        if forked is None:
            return await super().launch_kernel(cmd, **kwargs)
        self.process = forked
        self.pid = self.pgid = forked.pid
        return self.connection_info
