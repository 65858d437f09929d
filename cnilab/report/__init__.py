"""The report: figures, tables and words computed from a run directory, told in notebooks, exported as one page.

``record`` opens a run; ``words``, ``tables`` and ``figures`` speak of it; ``narrative`` puts them in order;
``html`` makes the page; ``pipeline`` runs the notebooks. Nothing here measures or tests anything.
"""
