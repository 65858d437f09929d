"""`python -m cnilab.cli`."""

from cnilab.cli import main

main()
