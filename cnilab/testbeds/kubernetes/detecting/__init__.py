"""One detector a plugin; each reads objects and none judges packets."""

from cnilab.testbeds.kubernetes.detecting import calico, flannel, others

#: In this order; the first that finds its objects answers. Canal's DaemonSet is neither flannel's nor Calico's own.
DETECTORS = {
    "cilium": others.cilium,
    "canal": others.canal,
    "calico": calico.look,
    "flannel": flannel.look,
}
