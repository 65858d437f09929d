"""The report: sentences, tables, figures and the page.

``chapters`` ask a run one question each and answer in ``blocks``; ``figures`` draw comparisons; ``language`` has every
word; ``templates`` and ``style`` say how it looks; ``page`` makes one HTML file of it; ``pipeline`` runs the notebooks.
"""
