"""The embedded cluster: nodes and pods as network namespaces with the kernel's own data planes.

Nothing here touches the host's network: everything lives under one private process tree and ends with it.
``lab.py`` is the door; ``planes.py`` leads to each plugin's data plane; ``agent.py`` is what runs inside.
"""

from cnilab.testbeds.lab.lab import Lab

__all__ = ["Lab"]
