"""`python -m app` is `podium`."""

from app.cli import main

main()
