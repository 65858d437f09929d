"""What drifts and is easily forgotten: offloads, RPS, congestion control, socket buffers, CPUs of both ends.

Reads them from a running lab, namespace by namespace, before its first trial. It sets none of them and judges
none; whether two deployments of a run were alike is :mod:`cnilab.quality.settings`' business.
"""

from __future__ import annotations

from cnilab.testbeds.lab.client import AgentProcess

#: ``ethtool -k`` names of what decides how large a packet a device is handed.
OFFLOADS = (
    "rx-checksumming",
    "tx-checksumming",
    "tcp-segmentation-offload",
    "generic-segmentation-offload",
    "generic-receive-offload",
)
_SYSCTLS = ("ipv4/tcp_congestion_control", "ipv4/tcp_rmem", "ipv4/tcp_wmem", "core/rmem_max", "core/wmem_max")

# /sys shows the devices of the network namespace it was mounted in, hence one of its own for the queues.
_SCRIPT = """\
mount -t sysfs cnilab /sys 2>/dev/null && queues=yes
for d in "$@"; do
  ethtool -k "$d" 2>/dev/null | while read -r name value rest; do echo "$d ${name%:} $value"; done
  [ "$queues" ] && for q in /sys/class/net/"$d"/queues/rx-*/rps_cpus; do
    [ -r "$q" ] && read -r mask < "$q" && q=${q%/rps_cpus} && echo "$d rps_cpus.${q##*/} $mask"
  done
done
for k in SYSCTLS; do [ -r /proc/sys/net/$k ] && echo "- $k $(cat /proc/sys/net/$k)"; done
while read -r name value; do [ "$name" = Cpus_allowed_list: ] && echo "- cpus_allowed $value"; done < /proc/self/status
exit 0
""".replace("SYSCTLS", " ".join(_SYSCTLS))


def read(agent: AgentProcess, devices: dict[str, list[str]]) -> dict[str, dict | None]:
    """Read the settings of some namespaces.

    Parameters
    ----------
    agent
        Of a running lab.
    devices
        Namespace to the devices in it that are wanted.

    Returns
    -------
    dict
        ``{namespace: {"devices": {device: {name: value}}, "values": {name: value}}}``, all values text as the
        kernel prints them; None for a namespace that could not be read. What this kernel does not show in a
        namespace (often ``core/rmem_max``) is absent.
    """
    argv = ["unshare", "--mount", "--", "sh", "-c", _SCRIPT, "sh"]
    answers = agent.call("read_many", commands=[[ns, [*argv, *names]] for ns, names in devices.items()])
    return {
        ns: None if text is None else _parsed(text)
        for ns, text in zip(devices, answers["stdout"], strict=True)
    }


def _parsed(text: str) -> dict:
    found: dict = {"devices": {}, "values": {}}
    for line in text.splitlines():
        device, name, value = line.split(None, 2) if line.count(" ") > 1 else (line, "", "")
        if device == "-":
            found["values"][name.replace("/", ".")] = " ".join(value.split())
        elif name in OFFLOADS or name.startswith("rps_cpus"):
            found["devices"].setdefault(device, {})[name] = value
    return found
