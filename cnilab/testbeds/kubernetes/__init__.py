"""A real cluster: cnilab's pods through the official client, the mode that is on, and the way back.

``api.py`` is the only file that talks to the API server, ``executing.py`` the only one that runs programs in
pods. ``testbed.py`` fulfils the same protocol as the lab; ``detect.py`` reads which mode is on, ``verify.py``
proves it, ``switching/`` changes it and puts back what was there. ``local/`` raises a cluster on one machine.
"""
