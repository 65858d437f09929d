"""How routing grows, in Chinese: the chapter's words, and what the numbers say of claims about it.

The same keys with the same holes as :mod:`.en_growth`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

WORDS: dict[str, str] = {
    "testbed.routers": "同一链路上的多台路由器（观测其守护进程）",
    "growth.title": "路由随节点数如何增长？",
    "growth.lead.bgp": (
        "{nodes}台路由器{how}：{sessions}个会话、{routes}条路由，均逐一计数；启动后{time}，每个节点都持有了全部路由。"
    ),
    "growth.lead.flannel": "{nodes}个节点{how}：没有会话，{routes}条路由在{time}内写入完毕。",
    "growth.how.mesh": "全互联",
    "growth.how.reflectors": "使用{reflectors}",
    "growth.how.flannel-vxlan": "使用 flannel VXLAN",
    "growth.useless": "任意值",
    "growth.no_interval": "{value}（尚无区间）",
    "growth.intro": (
        "真实的 BIRD 守护进程运行在同一网桥上的网络命名空间中，每个节点一个地址块；flannel 则测量它写入各内核的内容。"
        "所有路由器共用这台机器的处理器，因此 CPU 时间和各项时间是全部工作之和：在集群中每个节点有自己的处理器，"
        "时间更短，各自承担各自的一份。计数在哪里都一样。"
    ),
    "growth.claims": "三种说法，以及数据怎么说",
    "growth.claim.mesh": "BGP 全互联只能承载不到 100 个节点",
    "growth.claim.ipip": "加上 IP-in-IP 能承载 100 至 200 个节点",
    "growth.claim.exponential": "路由数随节点数指数增长",
    "growth.laws": "什么增长得有多快",
    "growth.sizes": "测量过的每种规模",
    "growth.topology.mesh": "全互联",
    "growth.topology.flannel-vxlan": "flannel，VXLAN",
    "growth.topology.flannel-host-gw": "flannel，host-gw",
    "growth.rss_bytes": "内存",
    "growth.cpu_s": "CPU 时间",
    "growth.programming_cpu_s": "写入所用的 CPU 时间",
    "growth.bytes": "链路上的字节数",
    "growth.converged_s": "持有全部路由所需时间",
    "growth.joined_s": "加入一个节点后的时间",
    "growth.withdrawn_s": "撤销一个地址块后的时间",
    "growth.reflector_lost_s": "一台反射器死亡后的时间",
    "growth.panel": "{quantity}，{unit}",
    "growth.panel.rss_bytes": "全部守护进程的内存",
    "growth.panel.cpu_s": "其 CPU 时间",
    "growth.panel.converged_s": "持有全部路由的时间",
    "growth.axis": "路由器数",
    "growth.held_back": "留作检验的规模",
    "growth.band": "预测区间",
    "growth.exponent": "{quantity}：除每台路由器单独的开销外，按{exponent}次幂增长",
    "growth.no_exponent": "{quantity}：除每台路由器单独的开销外，尚看不出增长",
    "growth.verdict.holds": "规律成立：{sizes}台路由器的结果落在预测之内",
    "growth.verdict.open": "是否服从同一规律，尚无法判断",
    "growth.verdict.broken": "不服从单一规律，因此不外推到测量范围之外",
    "growth.verdict.none": "没有留出规模用于检验",
    "growth.open": (
        "{of}条规律中的{n}条：至少要有六个区组、{sizes}种参与拟合的规模和{decades}个数量级，"
        "并且各区组对其是否弯曲意见一致，才能判断；已有的结果见表。"
    ),
    "growth.sentence": "{grown}；{verdict}。",
    "growth.sentence.beyond": "{grown}；{verdict}；{beyond}。",
    "growth.beyond": "在{n}台路由器时为{value}",
    "growth.looked": "{n}台：预测{predicted}，实测{measured}",
    "growth.law.holds": "成立",
    "growth.law.broken": "不成立",
    "growth.law.open": "尚无法判断",
    "growth.column.nodes": "路由器",
    "growth.column.value": "数值",
    "growth.column.sessions": "会话",
    "growth.column.routes_per_node": "每节点路由",
    "growth.column.routes": "路由总数",
    "growth.column.messages": "消息",
    "growth.column.rss_bytes": "内存",
    "growth.column.cpu_s": "CPU",
    "growth.column.bytes": "字节",
    "growth.column.converged_s": "冷启动",
    "growth.column.joined_s": "加入一个节点",
    "growth.column.withdrawn_s": "撤销地址块",
    "growth.column.reflector_lost_s": "反射器死亡",
    "growth.column.quantity": "量",
    "growth.column.exponent": "指数",
    "growth.column.held_back": "留作检验的规模",
    "growth.column.law": "规律",
    "growth.column.beyond": "所问的最大规模",
    "growth.column.blocks": "区组",
    "growth.sizes.caption": (
        "会话（每对计一次）、路由，以及各区组的中位数；内存、CPU、消息和字节是全部守护进程之和，"
        "计至每个节点持有全部路由为止。flannel 的 CPU 是向内核写入的程序所用。"
    ),
    "growth.laws.caption": (
        "每个区组各有一条规律：每台路由器单独的开销，加上路由器数的某次幂。指数附 95 % 区间；"
        "留作检验的规模没有参与拟合，其预测附“再多一个区组”的区间。"
    ),
    "growth.figure": (
        "两轴均为对数：幂律呈直线。实心标记参与拟合，空心标记留作检验；色带为预测区间。不成立的规律止于测量范围。"
    ),
    "growth.figure.alt": (
        "{topologies}的内存、CPU 时间和持有全部路由所需时间随路由器数（{low}至{high}）的变化，"
        "附拟合的规律及其预测区间。"
    ),
    "growth.figure.data": "实测值，各区组的中心",
    "growth.neighbours": (
        "这里的邻居表项都是永久的。学习到的表项受 net.ipv4.neigh.default.gc_thresh3{here}限制，"
        "该上限按整台机器的所有命名空间计：若非如此，一台机器网桥上的许多路由器永远不会收敛；"
        "真实集群若在同一子网内，当一个节点有这么多邻居时也会遇到同一上限，需要在那里调高。"
    ),
    "growth.neighbours.here": "（此处为{limit}）",
    "growth.departures": (
        "BIRD 按 Calico 的方式配置，但连接定时器为一秒，每秒扫描一次内核，并且没有优雅重启："
        "若开启，死亡的反射器的路由会再保留两分钟。消息是接收端 BIRD 所计的通告和撤销的路由；字节按整帧计。"
        "加入一个节点、撤销和死亡在同一部署中依次进行。"
    ),
}

COUNTED: dict[str, tuple[str]] = {"reflector": ("台反射器",)}

_ACTS = {
    "cold": "冷启动",
    "joined": "加入一台路由器",
    "withdrawal": "撤销一个地址块",
    "reflector_lost": "一台反射器死亡",
}
_STOPS = {
    "time": "达到 {limit_s:g} s 的上限（选项 limit_s）",
    "memory": "机器内存剩余不足 5 %",
    "daemon": "一个守护进程退出",
    "cut": "从外部被终止",
}


def _act_stopped(
    act: str,
    why: str,
    limit_s: float,
    routers: int,
    seconds: float | None = None,
    held: int | None = None,
    wanted: int | None = None,
) -> str:
    state = "" if held is None or wanted is None else f"，当时持有 {wanted:,} 条路由中的 {held:,} 条"
    after = "" if seconds is None else f"在 {seconds:.0f} s 后"
    return f"{routers} 台路由器的{_ACTS[act]}{after}因{_STOPS[why].format(limit_s=limit_s)}而停止{state}"


def _mesh(
    claimed: int, nodes: int, sessions: int, converged_s: float, rss_per_node: float, cpu_per_node: float
) -> str:
    found = "并非上限" if nodes >= claimed else "这次没有检验"
    return (
        f"{found}：{nodes} 台路由器（{sessions:,} 个会话）在 {converged_s:.3g} s 后持有全部路由，"
        f"每台路由器 {rss_per_node / 1e6:.3g} MB 内存、{cpu_per_node:.2g} s CPU"
    )


def _ipip(sessions: Sequence[int], routes: Sequence[int]) -> str:
    return (
        "封装不增加会话，也不增加路由，因此不改变路由的任何上限：无论有没有 IP-in-IP，"
        f"100 个节点的全互联有 {sessions[0]:,} 个会话、每节点 {routes[0]} 条路由，"
        f"200 个节点有 {sessions[1]:,} 个会话、每节点 {routes[1]} 条"
    )


def _exponential(sizes: int, low: int, high: int, per_node: Sequence[int], in_all: Sequence[int]) -> str:
    return (
        f"不是：在 {sizes} 种规模下，每个节点持有的路由都比节点数少一条（{low} 个节点 {per_node[0]:,} 条，"
        f"{high} 个节点 {per_node[1]:,} 条），是线性的；所有节点合计 n(n − 1) 条，即 {in_all[0]:,} 条和 "
        f"{in_all[1]:,} 条，是平方的：节点加倍，路由变为四倍"
    )


FACTS: dict[str, str | Callable[..., str]] = {
    "act_stopped": _act_stopped,
    "counts_not_exact": "{what}：计得 {found:,}，应为 {expected:,}",
    "bench_failed.no_acts": "这里没有可以动作的路由器；convergence 要用 testbed: routers 测量",
    "bench_failed.no_ends": "testbed: routers 没有供程序使用的两端；它用于 tool: convergence",
    "more_reflectors_than_routers": "{routers} 台路由器中要有 {reflectors} 台反射器",
    "no_routing_to_watch": lambda mode, known: f"{mode} 的路由来源与 {'、'.join(known)} 之一相同；请写那一种",
    "claim_mesh": _mesh,
    "claim_ipip": _ipip,
    "claim_exponential": _exponential,
    "no_growth": "这次运行没有测量路由的增长；可用 `cnilab scale`，或 testbed: routers 的研究",
}
