"""What a person sees while the stack starts and runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from deploy.local.stack import Stack


class Screen:
    """Steps with a spinner on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def say(self, text: str) -> None:
        self._console.print(f"[yellow]•[/] {text}", soft_wrap=True)

    def fail(self, text: str) -> None:
        self._console.print(f"[red]✗[/] {text}", soft_wrap=True)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        started = monotonic()
        if self._console.is_terminal:
            with self._console.status(f"{text} …"):
                yield
        else:
            yield
        self._console.print(f"[green]✓[/] {text} [dim]{monotonic() - started:.1f} s[/]")

    def ready(self, stack: Stack, seconds: float) -> None:
        table = Table.grid(padding=(0, 2))
        for name, value in (
            ("API", stack.base_url),
            ("Dashboard", f"{stack.base_url}/dashboard"),
            ("API reference", f"{stack.base_url}/docs"),
            ("API key", stack.secrets["api_key"]),
            ("Login", f"{stack.email}  {stack.password}"),
            ("Logs", str(stack.logs)),
        ):
            table.add_row(f"[dim]{name}[/]", value)
        table.add_row("", "")
        table.add_row("[dim]Next[/]", "make demo   [dim](in another terminal)[/]")
        table.add_row("[dim]Stop[/]", "Ctrl-C")
        if "CHATTERY_FETCH_ALLOW" not in stack.environ:
            table.add_row(
                "[dim]Note[/]",
                "[dim]pages and webhooks on 127.0.0.1 are allowed, as a development default\n"
                "(CHATTERY_FETCH_ALLOW, CHATTERY_WEBHOOK_ALLOW)[/]",
            )
        self._console.print(
            Panel(table, title=f"Chattery is ready ({seconds:.1f} s)", expand=False, padding=(1, 2))
        )
