"""How a command says that a signal ended it; apart from the runner, so that commands without an event loop load none."""

from sync_service.models.errors import ExitCode


class Stopped(Exception):
    """The command ended because of a signal; `exit_code` says which."""

    def __init__(self, exit_code: ExitCode) -> None:
        super().__init__(exit_code.name)
        self.exit_code = exit_code
