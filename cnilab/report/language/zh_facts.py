"""What facts say, in Chinese: why a trial has no value, what stood in for what, what could not be had.

The same codes as :mod:`.en_facts`; a test holds them against each other. Findings about a whole run are in
:mod:`.zh_findings`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnilab.report.language import zh_growth
from cnilab.report.language.base import Words
from cnilab.report.language.zh_findings import FINDINGS
from cnilab.report.language.zh_proof import expectation, value
from cnilab.report.language.zh_stats import FLAGS


def _with(words: str, remedy: str | None) -> str:
    return f"{words}；可尝试：{remedy}" if remedy else words


def _not_crossing(by: str | None = None, *, quoted: str | None) -> str:
    inside = "，".join(part for part in (quoted, f"来自 {by}" if by else None) if part)
    return "不能跨子网" + (f"：{inside}" if inside else "")


def _not_in_effect(check: str, expected: Any, found: Any, **about: Any) -> str:
    return f"模式没有生效：{expectation(check, about)}：应为 {value(expected)}，实为 {value(found)}"


def _mode_lost(
    check: str = "", expected: Any = None, found: Any = None, quoted: str | None = None, **about: Any
) -> str:
    lost = "最后一次试验之后，模式已不再生效"
    if not check:
        return f"{lost}：{quoted}" if quoted else lost
    return f"{lost}：{expectation(check, about)}：应为 {value(expected)}，实为 {value(found)}"


def _tool_failed(tool: str, status: int, *, quoted: str | None) -> str:
    return f"{tool} 以状态 {status} 退出：{quoted or '没有任何输出'}"


def _refused(what: str, *, quoted: str | None) -> str:
    return f"{what}：{quoted or '不存在'}"


def _no_namespaces(root: bool, remedy: str | None = None, *, quoted: str | None) -> str:
    words = f"无法建立实验环境的命名空间：{quoted}"
    return (
        f"{words}；这个 root 不能 unshare（是否为没有 CAP_SYS_ADMIN 的容器？）"
        if root
        else _with(words, remedy)
    )


def _unavailable(remedy: str | None = None, *, quoted: str | None) -> str:
    return _with(quoted or "不可用", remedy)


def _carried(by: str, device: str, quoted: str | None) -> str:
    return f"内核没有 {device} 设备{f'（{quoted}）' if quoted else ''}；改由 {by}"


def _nodes(usable: Sequence[str], left_out: Sequence[str]) -> str:
    shown = "、".join(usable[:5]) + ("……" if len(usable) > 5 else "")
    left = f"；未采用：{'、'.join(left_out[:3])}{'……' if len(left_out) > 3 else ''}" if left_out else ""
    return shown + left


def _not_built(factors: Sequence[str], known: Sequence[str]) -> str:
    return f"这里无法实现 {'、'.join(factors)}；已知的有：{'、'.join(known)}"


def _factor_varies(factors: Sequence[str]) -> str:
    return f"除比较对象外还有因素在变化：{'、'.join(factors)}；请在 by 或 within 中写明"


def _setting(where: str, *, quoted: str | None) -> str:
    return f"在 {where} 中：{quoted}" if where else f"在网络底座中：{quoted}"


def _foreign_cpu(cpus: float, by: Sequence[str]) -> str:
    return f"{'、'.join(by) or '没有名字的进程'}在此期间占用了 {cpus:.2f} 个 CPU"


def _state_changed(before_s: float, after_s: float) -> str:
    return f"唤醒往返时间从 {1e6 * before_s:.1f} µs 变为 {1e6 * after_s:.1f} µs"


def _outlier(blocks: Sequence[str], verdict: str) -> str:
    hangs = {
        "independent": "结论不依赖于它",
        "depends": "结论依赖于它",
        "unchecked": "去掉它之后无法检查结论",
    }
    return f"区组 {'、'.join(blocks)} 含有离群值；予以保留，{hangs[verdict]}"


_WHY_NO_PATH: dict[str, str] = {
    "pod_to_service": "Docker 没有 Service",
    "host_to_host": "发布的端口通向容器，而不是主机",
}

CATALOGUE: dict[str, Words] = {
    # why a trial has no value
    "timeout": "{tool} 在 {limit_s:g} 秒后仍在运行",
    "tool_failed": _tool_failed,
    "tool_reported": lambda quoted: quoted or "工具报告失败，但没有说明原因",
    "raw_output_unreadable": "原始输出无法读取",
    "impossible_value": "不可能的数值：{metric} {stat} {value}",
    "raw_output_changed": "{file} 与记录的不同：记录之后被修改过",
    "output_not_understood": "输出无法解读",
    "several_results": "一次试验的输出中有 {count} 个结果",
    "no_result": "输出中没有结果",
    "no_reason": "没有记录原因",
    "recorded": lambda quoted: quoted or "没有记录原因",
    "not_crossing": _not_crossing,
    "mode_not_in_effect": _not_in_effect,
    "not_in_effect_recorded": "模式没有生效",
    "no_routes_from_bgp": "{seconds:g} 秒后仍没有来自 BGP 的路由；会话",
    "pod_not_ready": "pod {pod} 在 {seconds:g} 秒后仍未运行",
    "not_switched": "集群无法切换到 {mode}",
    # the bench's own failures
    "bench_failed.api": "集群的 API 出错（{verb} {path}，状态 {status}）",
    "bench_failed.daemon_ended": lambda daemon, quoted: f"{daemon} 已退出：{quoted or '没有任何输出'}",
    "bench_failed.lab_ended": "实验环境的首个进程以状态 {status} 退出",
    "bench_failed.lab_lost": "实验环境已消失（{op}）",
    "bench_failed.lab_changed": lambda changes: f"实验环境被改动：{'；'.join(map(str, changes))}",
    "bench_failed.order_died": "实验环境暂时无法完成收到的指令",
    "bench_failed.stalled": "机器停顿了 {seconds:.0f} 秒",
    "output_too_long": "{tool} 的输出超过了一次试验的保存上限，已被终止",
    "bench_failed.lab_silent": "实验环境已 {seconds:g} 秒没有应答",
    "bench_failed.mode_lost": _mode_lost,
    "bench_failed.not_built": "无法搭建",
    "bench_failed.order_refused": "实验环境无法执行指令",
    "bench_failed.pod_ended": "pod {pod}",
    "bench_failed.pod_lost": "一个 pod 丢失",
    "bench_failed.server_not_started": lambda program, quoted: f"{program} 没有启动：{quoted or '没有应答'}",
    "bench_failed.testbed": "测试台出错",
    "bench_failed.defect": "测试台自身的缺陷（{error}）",
    # what disturbed a trial from outside
    "disturbed.foreign_cpu": _foreign_cpu,
    "disturbed.steal": "虚拟化层拿走了相当于 {cpus:.2f} 个 CPU 的时间",
    "disturbed.state_changed": _state_changed,
    "factor_not_built": _not_built,
    "bench_failed.not_recorded": "记录中没有 {mode} 在 {placement} 的 {test}",
    "bench_failed.recording_ends": "记录中 {mode} 只有 {deployments} 次部署；研究要求的更多",
    # what cannot be had here
    "unavailable": _unavailable,
    "program_missing": lambda program, remedy=None: _with(f"没有安装 {program}", remedy),
    "refused": _refused,
    "root_needed": lambda what, remedy=None: _with(f"{what}：只有 root 可以这样做", remedy),
    "no_namespaces": _no_namespaces,
    "no_substitute": "没有 {device} 设备，也没有替代实现（{why}）",
    "no_mode_of_a_cluster": "{mode} 不是集群的模式；请在实验环境中测量",
    "may_not_switch": lambda runs=None: (
        f"这个集群运行的是{f' {runs}' if runs else '未知的 CNI'}，不允许切换；"
        "如要允许：cnilab cluster run --switch，或 cluster: {may_switch: true}"
    ),
    "cannot_switch": lambda mode, quoted: quoted or f"集群无法切换到 {mode}",
    "image_lacks": "镜像 {image} 中没有 {program}；请用 --image 指定别的镜像",
    "no_two_nodes_share_a_subnet": lambda usable=(), left_out=(): (
        f"没有两个可用节点在同一子网（{_nodes(usable, left_out)}）"
    ),
    "one_subnet_only": lambda subnet, usable=(), left_out=(): (
        f"所有可用节点都在 {subnet}（{_nodes(usable, left_out)}）"
    ),
    "not_placed_as_asked": "放置与要求不符：{client} 在 {client_subnet}，{server} 在 {server_subnet}",
    "recording_lacks_mode": "记录中没有 {mode}",
    "replicas_need_pods": "同一节点上的多个副本需要各自有地址的 pod，而 {mode} 没有",
    "path_not_offered": lambda mode, path: f"{mode} 没有 {path}：{_WHY_NO_PATH[path]}",
    # what stood in, and what could not be set or looked at
    "carried_by_ebpf": lambda device, quoted: _carried("eBPF 封装", device, quoted),
    "carried_by_wireguard_go": lambda device, quoted: _carried("wireguard-go 加密", device, quoted),
    "setting_not_made": _setting,
    "congestion_control_not_allowed": lambda wanted, default, allowed=(): (
        f"这里不允许 pod 使用拥塞控制 {wanted}（允许的有：{'、'.join(allowed) or '无'}）；"
        f"两端都保持各自网络的 {default}"
    ),
    "host_pods_off": "主机网络上的 pod 已被关闭（cluster.host_network）",
    "host_pods_refused": "不允许主机网络上的 pod",
    "nodes_not_read": "没有读取节点的设备、路由和数据包（{why}）；验证仅依据 MTU 和 TTL",
    "packets_not_captured": "没有抓包：镜像 {image} 中没有 tcpdump",
    # why a chapter has nothing to show
    "nothing_compared": "没有可比较的数据",
    "no_replicas": "这次测试没有改变副本数",
    "no_policy_rules": "这次测试没有改变策略的规则数",
    "no_policy_engine": "{mode} 下没有执行网络策略的组件",
    "no_http_load": "这次测试没有对网页服务器加压",
    "no_equal_mss": "这次测试没有测量相同 MSS 的情形",
    "no_paths": "这次测试没有记录数据包的路径",
    "nothing_published": "没有人公布过这些模式的数字",
    # why a mode has no place
    "placement_not_measured": lambda placement: f"这次测试没有 {placement}",
    "mode_not_measured": "不在这次测试中",
    "no_value_here": "在这里没有数值",
    "no_order": "没有先后",
    # why there is no comparison, and what would help
    "mode_absent": "{mode}：{why}",
    "no_value": "{mode}：没有 {metric}（{stat}）的数值",
    "level_changes": "{mode}：{share:.0%} 的测试在运行途中发生了水平跳变",
    "no_ratio": "数值 {value!r} 没有比值",
    "verdicts_differ": "只看成功的区组为 {survivors}，把失败计为最差结果则为 {with_failures}",
    "few_blocks": "{blocks} 个区组；这一族比较至少需要 {needed} 个区组，数据才有可能显著",
    "identical_values": FLAGS["identical_values"],
    "none_in_either": "{blocks} 个区组中两者都是零，而事先没有声明等价界限",
    "measured_apart": "{mode} 与 {baseline} 是先后测量的，而不是交替测量的",
    "not_ranked_userspace": "由用户态替代实现承载；不与内核模式一起排名",
    "carried_by_substitute": "由替代实现承载（{path}）",
    "need_blocks": "{family} 项比较的一族需要至少 {needed} 个区组，现有 {blocks} 个",
    "interval_unbounded": "有限的同时置信区间需要至少 {needed} 个区组，现有 {blocks} 个",
    "blocks_missing": "{blocks} 个区组中有 {missing} 个缺少两种模式之一的数值",
    "outlier": _outlier,
    "aa_differs": FLAGS["aa_differs"],
    "margin_below_noise": FLAGS["margin_below_noise"],
    **FINDINGS,
    **zh_growth.FACTS,
    "factor_varies": _factor_varies,
}
