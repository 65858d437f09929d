"""What each check of a proof expects, in Chinese, and how the values it compares are shown.

The codes are :mod:`cnilab.testbeds.proof`'s. An expectation ends without a stop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Args = Mapping[str, Any]


def value(given: Any) -> str:
    """Return a check's value as a reader meets it.

    >>> value(("vxlan",)), value(()), value(True), value(None)
    ('vxlan', '无', '是', '没有看到')
    """
    if given is None:
        return "没有看到"
    if isinstance(given, bool):
        return "是" if given else "否"
    if isinstance(given, tuple | list):
        return "、".join(value(v) for v in given) if given else "无"
    return str(given)


_WAYS = {"there": "去往服务端的", "back": "返回客户端的"}

#: Check of a proof -> its expectation in words.
CHECKS: dict[str, Callable[[Args], str]] = {
    "neighbours_permanent": lambda a: "链路上的永久邻居表项",
    "routers_on_the_link": lambda a: "链路上的路由器，含将要加入的一台",
    "bgp_established": lambda a: f"{a['node']}：未建立的 BGP 会话",
    "bgp_readable": lambda a: f"{a['node']}：birdc 有应答",
    "bgp_sessions": lambda a: f"{a['node']}：BGP 会话数",
    "bridge_netfilter": lambda a: f"{a['node']}：桥接的数据包经过 netfilter（bridge-nf-call-iptables）",
    "carried_by": lambda a: (
        f"{_WAYS[a['way']]} {a['protocol'].upper()} 数据包的承载方式"
        if a["protocol"] != "any"
        else f"{_WAYS[a['way']]}数据包的承载方式"
    ),
    "destination_address": lambda a: f"{a['protocol'].upper()} 到达服务端时的目的地址",
    "device_kind": lambda a: f"{a['node']}：{a['device']} 的设备类型",
    "device_mtu": lambda a: f"{a['node']}：{a['device']} 的 MTU",
    "end_mtu": lambda a: f"{a['end']}：eth0 的 MTU",
    "fits_underlay": lambda a: "底层网络上最长的数据包，至多",
    "forwarding_entry": lambda a: f"{a['node']}：{value(a['mac'])} 的转发表项指向",
    "header_bytes": lambda a: "线上的头部字节数",
    "longer_is_refused": lambda a: f"置 DF 的 {a['bytes']} B 数据包",
    "neighbour": lambda a: f"{a['node']}：{a['device']} 上的邻居 {value(a['address'])} 是",
    "no_earlier_rule": lambda a: f"{a['node']}：排在该模式自己之前的路由策略规则",
    "no_foreign_rules": lambda a: (
        f"{a['node']}：不属于该插件的 netfilter 规则"
        + (f"（第一条：{a['first']}）" if a.get("first") else "")
    ),
    "no_other_tunnel": lambda a: f"{a['node']}：处于启用状态的其他模式的隧道",
    "no_rate_limit": lambda a: f"{a['where']}：限速或丢包的队列",
    "nothing_on_underlay": lambda a: "在底层网络上看到的同节点数据包",
    "offloads": lambda a: f"{a['where']}：{a['device']} 上关闭的卸载功能",
    "outer_copies_inner": lambda a: "外层的 DF 和 TTL 与内层数据包相同",
    "packet_arrives": lambda a: "数据包能到达",
    "packet_does_not_arrive": lambda a: "数据包不能到达",
    "passes_the_node": lambda a: f"{_WAYS[a['way']]}数据包经过节点一侧的 pod 链路端",
    "recorded": lambda a: str(a["text"]),
    "route_device": lambda a: f"{a['node']}：去往 {a['address']} 的路由的出口设备",
    "route_from_bgp": lambda a: f"{a['node']}：BIRD 从 BGP 会话得到去往 {a['prefix']} 的路由",
    "route_gateway": lambda a: f"{a['node']}：去往 {a['address']} 的路由的网关",
    "route_present": lambda a: f"{a['node']}：去往 {a['address']} 的路由",
    "route_protocol": lambda a: f"{a['node']}：去往 {a['address']} 的路由的协议",
    "routes_readable": lambda a: f"{a['node']}：路由可以读取",
    "segment_size": lambda a: f"{a['end']} 的 TCP 段长（B）",
    "source_address": lambda a: f"{a['protocol'].upper()} 到达服务端时的源地址",
    "stream_completes": lambda a: (
        "一次由完整报文段组成的 TCP 交换" + (f"（{a['step']}：{a['error']}）" if a.get("error") else "")
    ),
    "ttl": lambda a: "接收端看到的 TTL",
    "udp_port": lambda a: f"{_WAYS[a['way']]}数据包的 UDP 端口",
    "underlay_hops": lambda a: f"底层网络上{_WAYS[a['way']]}数据包的 TTL",
    "vni": lambda a: f"{_WAYS[a['way']]}数据包的 VNI",
    "vxlan_settings": lambda a: f"{a['node']}：VNI、端口和本地地址",
    "whole_mtu_arrives": lambda a: f"置 DF 的 {a['bytes']} B 数据包",
    "whole_segments": lambda a: f"{a['where']}：把报文段切到 64 KiB 以下的设备",
    "wireguard_lengths": lambda a: "线上的长度（已填充，再加 60）",
    "wireguard_rule": lambda a: f"{a['node']}：优先级 99 的策略路由规则所指的表，以及它按标记排除",
}


def expectation(code: str, args: Args) -> str:
    """Return what a proof's check expects; a code that is not known stands for itself."""
    return CHECKS[code](args) if code in CHECKS else code
