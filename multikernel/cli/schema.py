"""`multikernel schema`: the JSON schema of result documents, for programs that read them."""

import json

import click

from multikernel.results.encoding import schema


@click.command("schema")
def command() -> None:
    """Print the JSON schema of result documents (multikernel-results/2).

    Every document that compare and bench write holds by it. What the fields mean is in the README
    of the package's results.
    """
    click.echo(json.dumps(schema(), indent=1, ensure_ascii=False))
