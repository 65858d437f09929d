"""Figures, one question a module: functions of comparisons or of a table, a style and a language, never of a run.

``draw`` gives a matplotlib figure in a style; ``picture`` wraps it with what a reader needs who cannot see it.
Colour says nothing that a shape, a word or a place does not say too. A mode whose packets went through a substitute
has a hollow mark and is named so. Figures come out the same for the same data: fixed sizes, fixed order, no clock,
no random placing.
"""
