"""What the readers of :mod:`cnilab.measurements` share, in the order in which a file passes through it.

Bytes become text (:mod:`.texts`), each speaker's own (:mod:`.speakers`), less a number cut at its end (:mod:`.ends`)
and what a log put before each line (:mod:`.margins`); text becomes JSON where it is (:mod:`.json_text`), or stands in
JSON (:mod:`.nested`); words become numbers (:mod:`.numbers`) and times (:mod:`.go_time`, :mod:`.clock`); samples
become a Reading, or the reason why not (:mod:`.plausible`). Nothing here knows a tool.
"""
