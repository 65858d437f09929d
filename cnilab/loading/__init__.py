"""How :func:`cnilab.load.load` goes from paths to a table: what lies where, who wrote it, what it says.

``sources`` opens files and archives within limits, ``logs`` takes off what a cluster put before each line,
``places`` reads mode and block off a path, ``work`` does one file in a worker process, ``table`` puts the
answers together, ``summary`` tells them.
"""
