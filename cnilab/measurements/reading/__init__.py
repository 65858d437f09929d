"""What the readers of :mod:`cnilab.measurements` share, in the order in which a file passes through it.

Bytes become text (:mod:`.texts`), less a number cut at its end (:mod:`.ends`) and what a log put before each line
(:mod:`.margins`); text becomes JSON where it is (:mod:`.documents`); words become numbers (:mod:`.numbers`) and times
(:mod:`.go_time`); samples become a Reading, or the reason why not (:mod:`.checks`). Nothing here knows a tool.
"""
