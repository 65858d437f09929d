"""A real Kubernetes cluster on one Linux machine, without Docker and without an image registry.

``cluster.py`` is the door: :class:`Cluster` goes up and down. ``apiserver.py`` starts the control plane alone, as an
ordinary user. ``settings.py`` holds the cluster's shape, ``build.py`` compiles the programs from their published
sources, ``images.py`` packs them, ``pki.py`` issues certificates; ``tree.py`` starts the namespaces, in which
``router.py`` and ``node.py`` run.

It has what a cluster needs to carry pods and no more: no cluster DNS (Services are reached by address), no metrics,
no storage. Pods of such a cluster are processes of this machine's own kernel, started by root: run no image you do
not trust.
"""
